// The blockstore's rows about a block, as a validator writes them: docs/formats/blockstore.md.
#pragma once

#include <osvm/ledger/ledger_writer.hpp>

#include "ledger/keys.hpp"

namespace osvm::ledger {

struct transaction_rows {
  std::string status_key, memo_key;
  std::vector<std::pair<std::string, bool>> addresses;  // key and whether it is written
  std::optional<std::string> memo;
};
// errc::malformed for bytes that are no transaction, or not only that.
result<transaction_rows> rows_of(const recorded_transaction& t, slot_t slot, std::uint32_t index);

struct slot_row {
  slot_t slot = 0, parent = 0;
  std::uint32_t shreds = 0;
  std::int64_t time = 0;
  const std::vector<slot_t>* children = nullptr;
  const std::vector<std::uint32_t>* batch_ends = nullptr;
};
std::string meta_row(const slot_row& s, ledger_release release);
std::string index_row(const slot_row& s, ledger_release release);

// What a validator's own tool writes for blocks of unknown Proof of History: an entry a transaction and the
// slot's ticks, all without hashes but the last, which is the blockhash.
void add_unproven_entries(recorded_block& b, std::uint64_t ticks);

}  // namespace osvm::ledger
