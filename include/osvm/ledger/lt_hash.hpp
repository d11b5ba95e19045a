// The lattice hash of accounts (SIMD-0215): every live account's BLAKE3 output of 2,048 bytes as 1,024
// numbers, summed modulo 2^16. Sums commute, so storages may be read in any order and by any number of
// threads.
#pragma once

#include <osvm/ledger/snapshot.hpp>

#include <array>

namespace osvm::ledger {

// A value.
struct lt_hash {
  std::array<std::uint16_t, 1024> sums{};

  // An account without lamports adds nothing.
  void add(const stored_record& account) noexcept;
  void subtract(const stored_record& account) noexcept;
  void add(const lt_hash& other) noexcept;
  // BLAKE3 of the numbers: the hash in a snapshot's file name.
  solana::hash checksum() const noexcept;

  friend bool operator==(const lt_hash&, const lt_hash&) = default;
};

struct snapshot_check {
  slot_t slot = 0;
  std::uint64_t accounts = 0;  // live ones
  lt_hash computed;
  bool manifest_has_hash = false;  // releases before 2.2 hash accounts in another way
  bool manifest_agrees = false;
  std::optional<solana::hash> named{};  // by the file name of the newest archive
  bool name_agrees = false;
  std::uint64_t capitalization = 0, lamports = 0;  // as the bank says; of all accounts

  // Nothing that can be compared differs, and something could be.
  bool holds() const noexcept {
    return manifest_has_hash && manifest_agrees && (!named || name_agrees) && capitalization == lamports;
  }
};

struct verify_options {
  std::string incremental{};  // an archive on top of the full one
  snapshot_limits limits{};
};

// Reads each archive twice: first which record of an account is its newest, then the hashes of those. Holds
// about 100 bytes in memory for each account, whatever its size.
result<snapshot_check> verify_snapshot(const std::string& path, const verify_options& options = {});

}  // namespace osvm::ledger
