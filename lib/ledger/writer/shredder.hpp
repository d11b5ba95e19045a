// Cuts a block's entries into data shreds: chained Merkle shreds, at most 32 to an erasure set, without the
// erasure codes and without the leader's signature, which only the leader could give.
#pragma once

#include <osvm/ledger/recorded_block.hpp>
#include <osvm/ledger/shred.hpp>

namespace osvm::ledger {

struct shredded_block {
  std::vector<std::string> shreds;
  std::vector<std::uint32_t> batch_ends;  // indexes of shreds that end a batch
  solana::hash last_root{};               // Merkle root of the last set
};

// `chained` is the Merkle root that the block's first set continues.
result<shredded_block> shred_block(const recorded_block& b, std::uint16_t version,
                                   const solana::hash& chained);

}  // namespace osvm::ledger
