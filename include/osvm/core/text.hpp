// Foreign text made safe to show: what guests, peers and files say never reaches a terminal or a log line
// raw.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace osvm {

// `foreign` with everything escaped that could move a cursor, forge a line or hide text: control characters
// (\n, \t, \r, \xNN), invalid UTF-8 (\xNN), C1 controls, bidirectional overrides and line separators
// (\u{NNNN}), and the backslash itself. Past `limit` bytes of input it ends with "...(+N bytes)".
std::string printable(std::string_view foreign, std::size_t limit = 256);

// `text` as the inside of a JSON string: RFC 8259 escapes, invalid UTF-8 replaced by U+FFFD. No quotes are
// added.
std::string json_escape(std::string_view text);

// How many bytes at the front of `text` are valid UTF-8 (all of them: text.size()).
std::size_t utf8_prefix(std::string_view text) noexcept;
// `text` with each byte that is not valid UTF-8 replaced by U+FFFD.
std::string to_utf8(std::string_view text);

}  // namespace osvm
