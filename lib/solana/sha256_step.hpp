// A hash hashed onto itself, by OpenSSL alone: for processors without SHA instructions, and as the test's
// second opinion.
#pragma once

#include <osvm/solana/poh.hpp>

namespace osvm::solana {

void sha256_steps(hash& at, std::uint64_t count) noexcept;
void poh_ticks_portable(std::span<poh_chain> chains) noexcept;

}  // namespace osvm::solana
