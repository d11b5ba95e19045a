// Which addresses do not circulate by their name alone.
#pragma once

#include <osvm/solana/keys.hpp>

#include <span>

namespace osvm::ledger {

std::span<const solana::pubkey> non_circulating_accounts() noexcept;
std::span<const solana::pubkey> withdraw_authorities() noexcept;

}  // namespace osvm::ledger
