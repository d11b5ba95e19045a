// What a message asks for and bids for it, as validators read it: the compute budget program's instructions,
// or a version 1 message's own words.
#pragma once

#include <osvm/solana/transaction.hpp>

#include <functional>
#include <optional>

namespace osvm::solana {

struct compute_budget {
  std::uint32_t units = 0;  // at most 1.4 million
  std::uint64_t price = 0;  // micro-lamports for a unit
  std::uint64_t fee = 0;    // lamports: units times price, rounded up
};

// Whether a feature is active; the default takes all of them to be.
using feature_test = std::function<bool(const pubkey& feature)>;

// Nothing for what validators refuse: an unknown or repeated budget instruction, an impossible heap.
std::optional<compute_budget> read_compute_budget(const message_view& m, const feature_test& active = {});

// Signatures that are paid for: the message's own and those that its signature programs' instructions check.
std::uint64_t paid_signatures(const message_view& m) noexcept;

}  // namespace osvm::solana
