// A snapshot archive: what a bank knew at one slot, and every account. Read in one pass, without a temporary
// folder. Formats: docs/formats/snapshot.md; anza-xyz/agave `runtime/src/serde_snapshot.rs`.
#pragma once

#include <osvm/core/bytes.hpp>
#include <osvm/ledger/genesis.hpp>
#include <osvm/ledger/leader_schedule.hpp>

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace osvm::ledger {

struct staked_vote_account {
  solana::pubkey address;
  std::uint64_t stake = 0;
  std::uint64_t lamports = 0;
  std::string data{};  // the vote state
};

// The bank's fields, as far as something asks for them.
struct bank_fields {
  slot_t slot = 0, parent_slot = 0;
  solana::hash hash{}, parent_hash{};
  std::uint64_t epoch = 0, block_height = 0;
  std::uint64_t transaction_count = 0, signature_count = 0;
  std::uint64_t tick_height = 0, max_tick_height = 0, ticks_per_slot = 0;
  std::optional<std::uint64_t> hashes_per_tick{};
  std::uint64_t capitalization = 0, accounts_data_size = 0;
  std::int64_t genesis_creation_time = 0;
  double slots_per_year = 0;
  solana::pubkey leader{};
  std::optional<solana::hash> last_blockhash{};
  std::vector<std::pair<slot_t, std::uint64_t>> hard_forks{};
  epoch_schedule schedule{};
  struct {
    std::uint64_t lamports_per_byte_year = 0;
    double exemption_threshold = 0;
    std::uint8_t burn_percent = 0;
  } rent{};
  struct {
    double initial = 0, terminal = 0, taper = 0, foundation = 0, foundation_term = 0;
  } inflation{};
  std::vector<staked_vote_account> vote_accounts{};
  // By epoch: what its leaders are drawn by. A bank knows its own epoch's and the next one's.
  std::map<std::uint64_t, std::vector<vote_stake>> epoch_stakes{};
  std::uint64_t delegations = 0;
  bool is_delta = false;
};

struct snapshot_manifest {
  bank_fields bank;
  // How many bytes of `accounts/<slot>.<id>` count: files may be padded behind them.
  std::map<std::pair<slot_t, std::uint64_t>, std::uint64_t> storages{};
  // The lattice hash of all accounts, where the release that wrote it had one (2.2 and later).
  std::optional<std::array<std::uint16_t, 1024>> accounts_hash{};
};
// `snapshots/<slot>/<slot>` of every release that writes version 1.2.0. errc::corrupt, osvm::errc::truncated.
result<snapshot_manifest> parse_manifest(bytes_view file);

struct stored_record {
  slot_t slot = 0;
  solana::pubkey address;
  solana::pubkey owner;
  std::uint64_t lamports = 0, rent_epoch = 0;
  bool executable = false;
  bytes_view data{};
};
// Walks the records of one storage (an AppendVec), in order. errc::corrupt for a record that does not fit.
result<> each_record(bytes_view storage, slot_t slot, const std::function<void(const stored_record&)>& visit);

struct snapshot_limits {
  std::size_t max_manifest = 4ULL << 30;
  std::size_t max_storage = 64ULL << 30;  // of one file
  std::size_t max_entries = 5000000;      // files in the archive
  std::uint64_t max_bytes = 4ULL << 40;   // unpacked
};

// What an archive shows on the way. `storage` may keep the bytes: they are given away.
struct snapshot_visitor {
  std::function<result<>(snapshot_manifest&&)> manifest{};
  std::function<result<>(slot_t slot, std::string&& bytes)> storage{};
};
// Reads `path`: .tar, .tar.zst or .tar.lz4. The manifest comes before the storages, or the archive is
// refused.
result<> read_snapshot(const std::string& path, const snapshot_visitor& visit, snapshot_limits limits = {});

}  // namespace osvm::ledger
