// What can go wrong between a ledger's files and an answer.
#pragma once

#include <osvm/core/error.hpp>

namespace osvm::ledger {

enum class errc {
  ok = 0,
  corrupt,             // a checksum or a structure does not hold; the context names file and offset
  unsupported_format,  // a newer or unusual RocksDB feature that this reader does not know, by name
  lost,                // the row lies in a file that is missing or damaged
  not_a_ledger,        // the folder holds no RocksDB database
  no_such_column,      // the database lacks the column that the question needs
  skipped,             // the slot has no block
  incomplete,          // shreds or statuses of the slot are not there
  dead,                // the validator marked the slot dead
  not_rooted,          // the slot is not final
  cleaned_up,          // the slot is older than what the ledger keeps
};

const boost::system::error_category& ledger_category() noexcept;
inline error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), ledger_category()};
}

}  // namespace osvm::ledger

template <>
struct boost::system::is_error_code_enum<osvm::ledger::errc> : std::true_type {};
