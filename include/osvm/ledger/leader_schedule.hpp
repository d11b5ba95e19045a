// Who leads which slot of an epoch: validators shuffle by stake, with a generator that the epoch alone seeds.
// Authority: anza-xyz/agave `ledger/src/leader_schedule.rs`, `random/`.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/solana/keys.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace osvm::ledger {

// A vote account's stake in an epoch, and the validator that votes with it.
struct vote_stake {
  solana::pubkey vote, node;
  std::uint64_t stake = 0;

  friend bool operator==(const vote_stake&, const vote_stake&) = default;
};

// What the lots are drawn among: since SIMD-0180 (Agave 2.3) vote accounts, before it validators with the sum
// of their stakes.
enum class lots : std::uint8_t { vote_accounts, validators };

struct schedule_options {
  lots by = lots::vote_accounts;
  std::uint64_t slots = 432000;        // of the epoch
  std::uint64_t consecutive = 4;       // slots that one draw gives
  std::uint64_t most_slots = 1 << 24;  // a longer epoch is a lie of the file
};

// A value; immutable after make().
class leader_schedule final {
 public:
  // errc::invalid_argument when nobody has a stake or the stakes overflow, errc::limit_exceeded for an epoch
  // longer than options.most_slots.
  static result<leader_schedule> make(std::span<const vote_stake> stakes, std::uint64_t epoch,
                                      schedule_options options = {});

  std::uint64_t slots() const noexcept { return slots_; }
  // The validator that leads the epoch's slot `index`; `index` must be below slots().
  const solana::pubkey& node(std::uint64_t index) const noexcept { return at(index).node; }
  // Its vote account; for lots among validators the validator again.
  const solana::pubkey& vote(std::uint64_t index) const noexcept { return at(index).vote; }

 private:
  const vote_stake& at(std::uint64_t index) const noexcept {
    return leaders_[drawn_[static_cast<std::size_t>(index / consecutive_)]];
  }
  std::vector<vote_stake> leaders_;
  std::vector<std::uint32_t> drawn_;  // indexes into leaders_
  std::uint64_t slots_ = 0, consecutive_ = 1;
};

}  // namespace osvm::ledger
