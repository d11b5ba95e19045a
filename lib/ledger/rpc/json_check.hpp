// Whether a text is JSON, without making anything of it.
#pragma once

#include <cstddef>
#include <string_view>

namespace osvm::ledger {

// One whole value, nested no deeper than `max_depth`, with nothing but space around it.
bool is_json(std::string_view text, std::size_t max_depth);

}  // namespace osvm::ledger
