#include <osvm/core/text.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/json_writer.hpp>

#include <charconv>
#include <cmath>
#include <utility>

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

template <class T>
void append_decimal(std::string& out, T v, bool comma) {
  char text[24];
  text[0] = ',';
  const char* end = std::to_chars(text + 1, text + sizeof text, v).ptr;
  const char* begin = text + !comma;
  out.append(begin, static_cast<std::size_t>(end - begin));
}

// Sixteen characters at a time.
typedef signed char chunk __attribute__((vector_size(16)));
constexpr chunk all_of(signed char c) {
  return chunk{c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c};
}

chunk special_in(const char* p) {
  chunk c;
  std::memcpy(&c, p, sizeof c);
  return (c < all_of(0x20)) | (c == all_of('"')) | (c == all_of('\\'));  // outside ASCII they are negative
}

// ASCII without anything to escape, as most text is.
bool is_plain(std::string_view text) {
  if (text.size() < sizeof(chunk)) {
    bool any = false;
    for (const char c : text) any |= static_cast<signed char>(c) < 0x20 || c == '"' || c == '\\';
    return !any;
  }
  chunk any = special_in(text.data() + text.size() - sizeof any);
  for (std::size_t i = 0; i + sizeof any <= text.size(); i += sizeof any) any |= special_in(text.data() + i);
  std::uint64_t halves[2];
  std::memcpy(halves, &any, sizeof halves);
  return !(halves[0] | halves[1]);
}

// The shortest digits that read back as `v` > 0, and the power of ten of the first one's place plus one.
struct shortest {
  char text[32];
  std::string_view digits;  // within the text
  int point;                // digits stand after "0." times 10^point

  explicit shortest(double v) {
    const auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::scientific).ptr;
    const std::string_view s(text, static_cast<std::size_t>(end - text));
    const auto e = s.find('e');
    std::from_chars(s.data() + e + (s[e + 1] == '+' ? 2 : 1), end, point);
    ++point;
    if (e > 1) text[1] = text[0];  // over the decimal point
    digits = e > 1 ? s.substr(1, e - 1) : s.substr(0, 1);
  }
  shortest(const shortest&) = delete;
};

}  // namespace

void json_writer::key(std::string_view name) {
  comma();
  out_.push_back('"');
  out_.append(name);
  out_.append("\":", 2);
  needs_comma_ = false;
}

void json_writer::string(std::string_view text) {
  if (is_plain(text)) return plain(text);
  comma();
  out_.push_back('"');
  if (utf8_prefix(text) == text.size())
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
  append_decimal(out_, v, std::exchange(needs_comma_, true));
}

void json_writer::number(std::int64_t v) {
  append_decimal(out_, v, std::exchange(needs_comma_, true));
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
  const shortest s(std::fabs(v));
  const auto& digits = s.digits;
  const int point = s.point, count = static_cast<int>(digits.size());
  if (count <= point && point <= 16) {
    out += digits;
    out.append(static_cast<std::size_t>(point - count), '0') += ".0";
  } else if (0 < point && point <= 16) {
    out += digits.substr(0, static_cast<std::size_t>(point));
    out += '.';
    out += digits.substr(static_cast<std::size_t>(point));
  } else if (-5 < point && point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0') += digits;
  } else {
    out += digits[0];
    if (count > 1) (out += '.') += digits.substr(1);
    out += "e" + std::to_string(point - 1);
  }
  return out;
}

std::string rust_display(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  std::string out = std::signbit(v) ? "-" : "";
  if (v == 0) return out + "0";
  const shortest s(std::fabs(v));
  const std::string digits(s.digits);
  const int point = s.point, count = static_cast<int>(digits.size());
  if (point >= count) return out + digits + std::string(static_cast<std::size_t>(point - count), '0');
  if (point > 0)
    return out + digits.substr(0, static_cast<std::size_t>(point)) + "." +
           digits.substr(static_cast<std::size_t>(point));
  return out + "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
}

}  // namespace osvm::solana
