// The members of a JSON object as pieces of its text: numbers and order stay as they were written.
#pragma once

#include <osvm/core/error.hpp>

#include <optional>
#include <string_view>

namespace osvm::solana {

// The text of member `key` of the object `text`, which a parser has found valid; nothing when there is none.
// The last one wins, as parsers have it.
std::optional<std::string_view> json_member(std::string_view text, std::string_view key) noexcept;

}  // namespace osvm::solana
