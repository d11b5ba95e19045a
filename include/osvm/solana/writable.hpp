// Which accounts a transaction may write.
#pragma once

#include <osvm/solana/encode.hpp>

namespace osvm::solana {

// Whether the transaction may write the account at `index`, as validators see it: marked so, and neither
// reserved nor a program that it calls. `meta` (may be null) brings the loaded addresses.
bool is_writable(const message_view& m, const transaction_meta* meta, std::size_t index);

}  // namespace osvm::solana
