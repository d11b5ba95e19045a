// How programs call the same thing: `lending_market`, `lending_market_info` and `lending_market_pubkey` are
// one.
#pragma once

#include <string>
#include <string_view>

namespace osvm::audit {

// The name without what only says that it is an account, its key, or its place.
std::string stem_of(std::string_view name);
// "LendingMarket" as "lending_market".
std::string snake_of(std::string_view type);

}  // namespace osvm::audit
