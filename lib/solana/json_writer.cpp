#include <osvm/core/text.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/json_writer.hpp>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

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

// Sixteen characters at a time.
typedef signed char chunk __attribute__((vector_size(16)));
constexpr chunk all_of(signed char c) {
  return chunk{c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c};
}

chunk special_in(chunk c) {
  return (c < all_of(0x20)) | (c == all_of('"')) | (c == all_of('\\'));  // outside ASCII they are negative
}

bool any_of(chunk c) {
  std::uint64_t halves[2];
  std::memcpy(halves, &c, sizeof halves);
  return (halves[0] | halves[1]) != 0;
}

chunk load_chunk(const char* p) {
  chunk c;
  std::memcpy(&c, p, sizeof c);
  return c;
}

// The same of less than sixteen: the first and the last of them, which may overlap.
template <class Word>
bool copy_ends(const char* p, std::size_t size, char* to) {
  Word ends[2];
  std::memcpy(ends, p, sizeof(Word));
  std::memcpy(ends + 1, p + size - sizeof(Word), sizeof(Word));
  std::memcpy(to, ends, sizeof(Word));
  std::memcpy(to + size - sizeof(Word), ends + 1, sizeof(Word));
  chunk c = all_of('a');
  std::memcpy(&c, ends, sizeof ends);
  return !any_of(special_in(c));
}

bool copy_short(const char* p, std::size_t size, char* to) {
  if (size >= 8) return copy_ends<std::uint64_t>(p, size, to);
  if (size >= 4) return copy_ends<std::uint32_t>(p, size, to);
  bool any = false;
  for (std::size_t i = 0; i < size; ++i) {
    to[i] = p[i];
    any |= static_cast<signed char>(p[i]) < 0x20 || p[i] == '"' || p[i] == '\\';
  }
  return !any;
}

// Copies what is ASCII without anything to escape, as most text is; false when it is not.
bool copy_plain(std::string_view text, char* to) {
  const char* p = text.data();
  const std::size_t size = text.size();
  if (size < sizeof(chunk)) return copy_short(p, size, to);
  chunk any{};
  const auto copy = [&](std::size_t at) {
    const chunk c = load_chunk(p + at);
    any |= special_in(c);
    std::memcpy(to + at, &c, sizeof c);
  };
  for (std::size_t i = 0; i + sizeof(chunk) <= size; i += sizeof(chunk)) copy(i);
  copy(size - sizeof(chunk));  // what is left, and some of it twice
  return !any_of(any);
}

constexpr std::size_t longest_decimal = 20;
constexpr std::uint64_t ten_to_8 = 100'000'000;

// The eight digits of v < 10^8 as bytes of 0 to 9, the first one lowest: halves, quarters, digits, each pair
// divided at once in lanes that cannot run over.
[[gnu::always_inline]] inline std::uint64_t eight_digits(std::uint32_t v) {
  const std::uint64_t halves = v / 10'000 | std::uint64_t{v % 10'000} << 32;
  const std::uint64_t hundreds = (halves * 10'486 >> 20) & 0x0000007f0000007f;
  const std::uint64_t quarters = hundreds | (halves - hundreds * 100) << 16;
  const std::uint64_t tens = (quarters * 103 >> 10) & 0x000f000f000f000f;
  return tens | (quarters - tens * 10) << 8;
}

constexpr std::uint64_t zeros_of_text = 0x3030303030303030;

[[gnu::always_inline]] inline char* put_eight(char* to, std::uint32_t v) {
  const std::uint64_t text = eight_digits(v) | zeros_of_text;
  std::memcpy(to, &text, 8);
  return to + 8;
}

// Without zeros in front; writes eight characters, whatever their number.
[[gnu::always_inline]] inline char* put_up_to_eight(char* to, std::uint32_t v) {
  const std::uint64_t digits = eight_digits(v);
  const int skip = std::countr_zero(digits | std::uint64_t{1} << 56) / 8;
  const std::uint64_t text = (digits | zeros_of_text) >> (8 * skip);
  std::memcpy(to, &text, 8);
  return to + 8 - skip;
}

// Where there is room for 24 characters.
inline char* put_decimal(char* to, std::uint64_t v) {
  if (v < ten_to_8) return put_up_to_eight(to, static_cast<std::uint32_t>(v));
  const auto low = static_cast<std::uint32_t>(v % ten_to_8);
  v /= ten_to_8;
  if (v < ten_to_8) return put_eight(put_up_to_eight(to, static_cast<std::uint32_t>(v)), low);
  to = put_up_to_eight(to, static_cast<std::uint32_t>(v / ten_to_8));
  return put_eight(put_eight(to, static_cast<std::uint32_t>(v % ten_to_8)), low);
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

// What lies ahead is zeroed just before it is written: pieces that stay in the nearest cache.
void json_writer::grow(std::size_t size) {
  constexpr std::size_t smallest = 2 << 10, largest = 16 << 10;
  const std::size_t used = at_ ? static_cast<std::size_t>(at_ - out_.data()) : out_.size();
  out_.resize(used);
  out_.resize(used + (ahead_ ? std::max(size, std::clamp(used, smallest, largest)) : size));
  at_ = out_.data() + used;
  end_ = out_.data() + out_.size();
}

void json_writer::string(std::string_view text) {
  char* to = room(text.size() + 3);
  char* from = to;
  if (needs_comma_) *to++ = ',';
  *to++ = '"';
  if (!copy_plain(text, to)) {
    took(from);
    return escaped_string(text);
  }
  to += text.size();
  *to++ = '"';
  took(to);
  needs_comma_ = true;
}

// With escapes, or bytes that are not UTF-8.
void json_writer::escaped_string(std::string_view text) {
  std::string escaped;
  if (utf8_prefix(text) == text.size())
    append_escaped(escaped, text);
  else
    append_escaped(escaped, to_utf8(text));
  plain(escaped);
}

void json_writer::base58(bytes_view bytes) {
  char* to = begin(base58_bound(bytes.size()) + 3);
  *to++ = '"';
  to = base58_write(bytes, to);
  *to++ = '"';
  took(to);
}

void json_writer::base64(bytes_view bytes) {
  char* to = begin(base64_size(bytes.size()) + 3);
  *to++ = '"';
  to = base64_write(bytes, to);
  *to++ = '"';
  took(to);
}

void json_writer::number(std::uint64_t v) {
  took(put_decimal(begin(longest_decimal + 5), v));
}

void json_writer::number(std::int64_t v) {
  char* to = begin(longest_decimal + 6);
  if (v < 0) *to++ = '-';
  took(put_decimal(to, v < 0 ? -static_cast<std::uint64_t>(v) : static_cast<std::uint64_t>(v)));
}

void json_writer::number(double v) {
  raw(json_double(v));
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
