// Character classes of RFC 9110 as one table.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace osvm::hotswap::http1 {

enum char_class : std::uint8_t {
  token_char = 1,   // tchar
  value_char = 2,   // HTAB, SP, VCHAR, obs-text
  target_char = 4,  // visible ASCII without '#', which is no part of a request target
  host_char = 8,    // reg-name, IP-literal and port; no user information
};

inline constexpr auto char_table = [] {
  std::array<std::uint8_t, 256> t{};
  const auto add = [&t](std::string_view set, std::uint8_t bits) {
    for (const char c : set) t[static_cast<std::uint8_t>(c)] |= bits;
  };
  const std::string_view alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  add(alnum, token_char | host_char);
  add("!#$%&'*+-.^_`|~", token_char);
  add("-._~%!$&'()*+;=:[]", host_char);
  for (unsigned c = 0x21; c < 0x7f; ++c) t[c] |= value_char | target_char;
  t['#'] = static_cast<std::uint8_t>(t['#'] & ~target_char);
  add(" \t", value_char);
  for (unsigned c = 0x80; c < 0x100; ++c) t[c] |= value_char;
  return t;
}();

constexpr bool is(char c, char_class k) noexcept {
  return (char_table[static_cast<std::uint8_t>(c)] & k) != 0;
}

constexpr bool all_of(std::string_view s, char_class k) noexcept {
  for (const char c : s) {
    if (!is(c, k)) return false;
  }
  return true;
}

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace osvm::hotswap::http1
