// Proof of History's ticking, several chains at once.
#pragma once

#include <osvm/solana/hashing.hpp>

namespace osvm::solana {

// `at` hashed onto itself `count` times.
struct poh_chain {
  hash at{};
  std::uint64_t count = 0;
};
// Each `at` becomes the end of its chain. On processors with SHA instructions two chains at once take hardly
// longer than one.
void poh_ticks(std::span<poh_chain> chains) noexcept;

}  // namespace osvm::solana
