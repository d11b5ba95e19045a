#include <osvm/core/text.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/json_writer.hpp>

#include <charconv>
#include <cmath>

namespace osvm::solana {
namespace {

constexpr auto needs_escape = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 0x20; ++c) table[static_cast<std::size_t>(c)] = true;
  table['"'] = table['\\'] = true;
  return table;
}();

void append_escape(std::string& out, unsigned char c) {
  static constexpr char hex[] = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  out += "\\u00";
  out.push_back(hex[c >> 4]);
  out.push_back(hex[c & 15]);
}

void append_escaped(std::string& out, std::string_view text) {
  std::size_t from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (!needs_escape[c]) continue;
    out.append(text, from, i - from);
    append_escape(out, c);
    from = i + 1;
  }
  out.append(text, from);
}

bool is_ascii(std::string_view text) {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

// The shortest digits that read back as `v` > 0, and the power of ten of the first one's place plus one.
struct shortest {
  std::string digits;
  int point;  // digits stand after "0." times 10^point
};

shortest split(double v) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::scientific).ptr;
  const std::string_view s(text, static_cast<std::size_t>(end - text));
  const auto e = s.find('e');
  shortest out{{s[0]}, 0};
  if (e > 2) out.digits += s.substr(2, e - 2);
  std::from_chars(s.data() + e + (s[e + 1] == '+' ? 2 : 1), end, out.point);
  ++out.point;
  return out;
}

}  // namespace

void json_writer::key(std::string_view name) {
  comma();
  out_.push_back('"');
  out_.append(name);
  out_.append("\":");
  needs_comma_ = false;
}

void json_writer::string(std::string_view text) {
  comma();
  out_.push_back('"');
  if (is_ascii(text) || utf8_prefix(text) == text.size())
    append_escaped(out_, text);
  else
    append_escaped(out_, to_utf8(text));
  out_.push_back('"');
}

void json_writer::plain(std::string_view text) {
  comma();
  out_.push_back('"');
  out_.append(text);
  out_.push_back('"');
}

void json_writer::base58(bytes_view bytes) {
  if (bytes.size() == 32 || bytes.size() == 64) {
    char text[base58_64_max];
    const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
    plain({text, bytes.size() == 32 ? base58_encode_32(p, text) : base58_encode_64(p, text)});
  } else {
    plain(base58_encode(bytes));
  }
}

void json_writer::base64(bytes_view bytes) {
  comma();
  out_.push_back('"');
  base64_append(out_, bytes);
  out_.push_back('"');
}

void json_writer::number(std::uint64_t v) {
  char text[24];
  comma();
  out_.append(text, std::to_chars(text, text + sizeof text, v).ptr);
}

void json_writer::number(std::int64_t v) {
  char text[24];
  comma();
  out_.append(text, std::to_chars(text, text + sizeof text, v).ptr);
}

void json_writer::number(double v) {
  comma();
  out_ += json_double(v);
}

void json_writer::raw(std::string_view json) {
  comma();
  out_.append(json);
}

std::string json_double(double v) {
  if (!std::isfinite(v)) return "null";
  std::string out = std::signbit(v) ? "-" : "";
  if (v == 0) return out + "0.0";
  const auto [digits, point] = split(std::fabs(v));
  const int count = static_cast<int>(digits.size());
  if (count <= point && point <= 16) {
    out += digits + std::string(static_cast<std::size_t>(point - count), '0') + ".0";
  } else if (0 < point && point <= 16) {
    out += digits.substr(0, static_cast<std::size_t>(point)) + "." +
           digits.substr(static_cast<std::size_t>(point));
  } else if (-5 < point && point <= 0) {
    out += "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  } else {
    out += digits[0];
    if (count > 1) out += "." + digits.substr(1);
    out += "e" + std::to_string(point - 1);
  }
  return out;
}

std::string rust_display(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  std::string out = std::signbit(v) ? "-" : "";
  if (v == 0) return out + "0";
  const auto [digits, point] = split(std::fabs(v));
  const int count = static_cast<int>(digits.size());
  if (point >= count) return out + digits + std::string(static_cast<std::size_t>(point - count), '0');
  if (point > 0)
    return out + digits.substr(0, static_cast<std::size_t>(point)) + "." +
           digits.substr(static_cast<std::size_t>(point));
  return out + "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
}

}  // namespace osvm::solana
