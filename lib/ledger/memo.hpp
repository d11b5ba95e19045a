// A row of `transaction_memos`: bincode text.
#pragma once

#include <osvm/core/bytes.hpp>

#include <string>

namespace osvm::ledger {

inline result<std::string> parse_memo(bytes_view row) {
  byte_reader in(row);
  OSVM_TRY(const auto length, in.read<std::uint64_t>());
  OSVM_TRY(const auto text, in.take(length));
  return std::string(reinterpret_cast<const char*>(text.data()), text.size());
}

}  // namespace osvm::ledger
