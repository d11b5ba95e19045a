// Makes a genesis.bin: the parameters of a new cluster, without accounts.
#pragma once

#include <osvm/ledger/genesis.hpp>
#include <osvm/ledger/recorded_block.hpp>

namespace osvm::ledger {

struct genesis_options {
  std::int64_t creation_time = 0;
  std::uint64_t ticks_per_slot = 64;
  std::optional<std::uint64_t> hashes_per_tick = 12500;
  std::uint64_t slots_per_epoch = 432000;
};
std::string encode_genesis(const genesis_options& options);
// Slot 0 as a cluster begins: ticks of its Proof of History on the genesis hash.
recorded_block genesis_block(const genesis& g);

}  // namespace osvm::ledger
