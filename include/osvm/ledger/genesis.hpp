// A cluster's genesis.bin: what a ledger folder says about its cluster. docs/formats/blockstore.md.
#pragma once

#include <osvm/ledger/slot_meta.hpp>

#include <optional>
#include <string>

namespace osvm::ledger {

struct epoch_schedule {
  std::uint64_t slots_per_epoch = 432000;
  std::uint64_t leader_schedule_slot_offset = 432000;
  bool warmup = false;
  std::uint64_t first_normal_epoch = 0;
  slot_t first_normal_slot = 0;

  struct position {
    std::uint64_t epoch = 0, index = 0, length = 0;
  };
  position locate(slot_t slot) const noexcept;
  // All ones for an epoch that no slot number reaches.
  slot_t first_slot(std::uint64_t epoch) const noexcept;
};

struct genesis {
  solana::hash hash{};  // SHA-256 of the file: the cluster's name
  std::int64_t creation_time = 0;
  std::uint64_t accounts = 0;
  std::uint64_t ticks_per_slot = 0;
  std::optional<std::uint64_t> hashes_per_tick{};
  epoch_schedule schedule{};
};

result<genesis> parse_genesis(bytes_view file);
// Reads `ledger_folder`/genesis.bin; at most 10 MiB, as validators do.
result<genesis> load_genesis(const std::string& ledger_folder);

}  // namespace osvm::ledger
