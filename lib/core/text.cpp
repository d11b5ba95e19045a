#include <osvm/core/text.hpp>

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace osvm {
namespace {

struct code_point {
  std::uint32_t value = 0;
  std::size_t length = 0;  // 0: not valid UTF-8 at this place
};

// The lead byte says how many bytes follow and which values would be overlong (Unicode 15, table 3-7).
code_point decode(std::string_view s) {
  const auto lead = static_cast<unsigned char>(s[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || s.size() < length) return {};
  std::uint32_t value = lead & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(s[i]);
    if ((byte & 0xc0) != 0x80) return {};
    value = value << 6 | (byte & 0x3fU);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (overlong || surrogate || value > 0x10ffff) return {};
  return {value, length};
}

// Code points that change how the text around them is shown.
bool deceptive(std::uint32_t c) {
  return (c >= 0x80 && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x061c || (c >= 0xe0000 && c <= 0xe007f);
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\\': out += "\\\\"; return;
    default: break;
  }
  if (c >= 0x20 && c < 0x7f) {
    out += c;
  } else {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
  }
}

void append_json(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (c >= 0x20 && c != 0x7f) {
    out += c;
  } else {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
  }
}

}  // namespace

std::string printable(std::string_view foreign, std::size_t limit) {
  const std::string_view shown = foreign.substr(0, limit);
  std::string out;
  out.reserve(shown.size());
  for (std::size_t i = 0; i < shown.size();) {
    const auto c = decode(shown.substr(i));
    if (c.length <= 1) {
      append_ascii(out, shown[i++]);  // an invalid byte is >= 0x80, and shown as \xNN
      continue;
    }
    if (deceptive(c.value)) {
      fmt::format_to(std::back_inserter(out), "\\u{{{:04x}}}", c.value);
    } else {
      out += shown.substr(i, c.length);
    }
    i += c.length;
  }
  if (shown.size() < foreign.size()) {
    fmt::format_to(std::back_inserter(out), "...(+{} bytes)", foreign.size() - shown.size());
  }
  return out;
}

std::string json_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto c = decode(text.substr(i));
    if (c.length == 1) {
      append_json(out, text[i]);
    } else if (c.length == 0) {
      out += "\xef\xbf\xbd";
    } else {
      out += text.substr(i, c.length);
    }
    i += c.length ? c.length : 1;
  }
  return out;
}

std::size_t utf8_prefix(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto c = decode(text.substr(i));
    if (c.length == 0) break;
    i += c.length;
  }
  return i;
}

std::string to_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t good = utf8_prefix(text);
    out += text.substr(0, good);
    if (good == text.size()) break;
    out += "\xef\xbf\xbd";
    text.remove_prefix(good + 1);
  }
  return out;
}

}  // namespace osvm
