// The blockstore's rows about one slot, in every encoding that validators have written.
// Formats: anza-xyz/agave `ledger/src/blockstore_meta.rs`; docs/formats/blockstore.md.
#pragma once

#include <osvm/solana/keys.hpp>

#include <optional>
#include <vector>

namespace osvm::ledger {

using slot_t = std::uint64_t;

// Column `meta`.
struct slot_meta {
  slot_t slot = 0;
  std::uint64_t consumed = 0;               // data shreds from 0 on without a gap
  std::uint64_t received = 0;               // one more than the highest data shred
  std::uint64_t first_shred_timestamp = 0;  // milliseconds
  std::optional<std::uint64_t> last_index{};
  std::optional<slot_t> parent{};
  std::vector<slot_t> next_slots{};
  std::uint8_t connected = 0;                      // bit 0 connected, bit 7 its parent is
  std::vector<std::uint32_t> completed_indexes{};  // data shreds that end a batch
  std::optional<solana::hash> parent_block_id{};   // from 4.1 on
  std::uint8_t encoding = 0;                       // 1, 2 or 3

  bool full() const noexcept { return last_index && *last_index + 1 == consumed; }
};
result<slot_meta> parse_slot_meta(bytes_view row);

// Column `index`: which shreds are there.
struct shred_index {
  slot_t slot = 0;
  std::uint64_t data = 0, code = 0;  // how many
  std::uint8_t encoding = 0;         // 1 or 2
};
result<shred_index> parse_shred_index(bytes_view row);

// Column `perf_samples`.
struct perf_sample {
  std::uint64_t transactions = 0, slots = 0;
  std::uint16_t period_seconds = 0;
  std::optional<std::uint64_t> non_vote_transactions{};
};
result<perf_sample> parse_perf_sample(bytes_view row);

}  // namespace osvm::ledger
