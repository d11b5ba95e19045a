// Primer: 32 bytes are eight 32-bit limbs. Each limb times a constant row (2^(32 k) written in base 58^5)
// gives a number in base 58^5 after one carry pass, and each of those digits is five base58 digits. Decoding
// goes the other way with rows of 58^(5 k) in base 2^32. The rows are made by the compiler.
#include <osvm/solana/base58.hpp>
#include <osvm/solana/keys.hpp>

#include <algorithm>

namespace osvm::solana {
namespace {

constexpr char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr std::uint64_t big_digit = 656356768;  // 58^5
constexpr std::uint8_t bad = 255;

constexpr auto digit_values = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(bad);
  for (std::uint8_t i = 0; i < 58; ++i) table[static_cast<unsigned char>(alphabet[i])] = i;
  return table;
}();

// Rows k = 0..Limbs-1: 2^(32 (Limbs-1-k)) in base 58^5, most significant first.
template <std::size_t Limbs, std::size_t Digits>
consteval auto make_encode_rows() {
  std::array<std::array<std::uint32_t, Digits>, Limbs> rows{};
  std::array<std::uint64_t, Digits> value{};
  value[Digits - 1] = 1;
  for (std::size_t k = Limbs; k-- > 0;) {
    for (std::size_t d = 0; d < Digits; ++d) rows[k][d] = static_cast<std::uint32_t>(value[d]);
    std::uint64_t carry = 0;
    for (std::size_t d = Digits; d-- > 0;) {
      const std::uint64_t v = (value[d] << 32) + carry;
      value[d] = v % big_digit;
      carry = v / big_digit;
    }
  }
  return rows;
}

// Rows k = 0..Digits-1: 58^(5 (Digits-1-k)) in base 2^32, most significant first.
template <std::size_t Limbs, std::size_t Digits>
consteval auto make_decode_rows() {
  std::array<std::array<std::uint32_t, Limbs>, Digits> rows{};
  std::array<std::uint64_t, Limbs> value{};
  value[Limbs - 1] = 1;
  for (std::size_t k = Digits; k-- > 0;) {
    for (std::size_t d = 0; d < Limbs; ++d) rows[k][d] = static_cast<std::uint32_t>(value[d]);
    std::uint64_t carry = 0;
    for (std::size_t d = Limbs; d-- > 0;) {
      const std::uint64_t v = value[d] * big_digit + carry;
      value[d] = v & 0xffffffff;
      carry = v >> 32;
    }
  }
  return rows;
}

template <std::size_t Bytes>
struct shape;
template <>
struct shape<32> {
  static constexpr std::size_t limbs = 8, digits = 9;
};
template <>
struct shape<64> {
  static constexpr std::size_t limbs = 16, digits = 18;
};

template <std::size_t Bytes>
constexpr auto encode_rows = make_encode_rows<shape<Bytes>::limbs, shape<Bytes>::digits>();
template <std::size_t Bytes>
constexpr auto decode_rows = make_decode_rows<shape<Bytes>::limbs, shape<Bytes>::digits>();

// Products are summed in 64 bits, so carries must be taken before a column can overflow: after as many rows
// as the columns' sums allow. That is once for 32 bytes; the carry of one pass adds far less than what is
// spared.
template <std::size_t Rows, std::size_t Columns>
consteval std::size_t rows_between_carries(const std::array<std::array<std::uint32_t, Columns>, Rows>& rows,
                                           std::uint64_t largest_factor) {
  const std::uint64_t most = (~0ULL - (1ULL << 40)) / largest_factor;
  for (std::size_t step = Rows; step > 1; --step) {
    bool fits = true;
    for (std::size_t from = 0; from < Rows; from += step)
      for (std::size_t c = 0; c < Columns; ++c) {
        std::uint64_t sum = 0;
        for (std::size_t k = from; k < std::min(from + step, Rows); ++k) sum += rows[k][c];
        fits = fits && sum <= most;
      }
    if (fits) return step;
  }
  return 1;
}
template <std::size_t Bytes>
constexpr std::size_t encode_step = rows_between_carries(encode_rows<Bytes>, 0xffffffff);
template <std::size_t Bytes>
constexpr std::size_t decode_step = rows_between_carries(decode_rows<Bytes>, big_digit - 1);
static_assert(encode_step<32> == 8 && encode_step<64> >= 4 && decode_step<32> == 9 && decode_step<64> >= 3);

template <std::size_t Digits>
inline void carry_down(std::uint64_t (&value)[Digits]) noexcept {
#pragma GCC unroll 18
  for (std::size_t d = Digits - 1; d > 0; --d) {
    value[d - 1] += value[d] / big_digit;
    value[d] %= big_digit;
  }
}

// Two digits at a time.
constexpr auto digit_pairs = [] {
  std::array<std::array<char, 2>, 58 * 58> table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = {alphabet[i / 58], alphabet[i % 58]};
  return table;
}();

inline std::uint32_t load_be32(const std::uint8_t* p) noexcept {
  std::uint32_t v;
  std::memcpy(&v, p, 4);
  return __builtin_bswap32(v);
}

template <std::size_t Bytes>
std::size_t encode_fixed(const std::uint8_t* bytes, char* out) noexcept {
  constexpr std::size_t limbs = shape<Bytes>::limbs, digits = shape<Bytes>::digits;
  std::uint64_t value[digits] = {};
#pragma GCC unroll 16
  for (std::size_t k = 0; k < limbs; ++k) {
    const std::uint64_t limb = load_be32(bytes + 4 * k);
#pragma GCC unroll 18
    for (std::size_t d = 0; d < digits; ++d) value[d] += limb * encode_rows<Bytes>[k][d];
    if (k % encode_step<Bytes> == encode_step<Bytes> - 1 || k == limbs - 1) carry_down(value);
  }
  char text[digits * 5];
  for (std::size_t d = 0; d < digits; ++d) {
    const auto v = static_cast<std::uint32_t>(value[d]);
    const std::uint32_t high = v / 3364, low = v % 3364;  // 58^2
    text[5 * d] = alphabet[high / 3364];
    std::memcpy(text + 5 * d + 1, digit_pairs[high % 3364].data(), 2);
    std::memcpy(text + 5 * d + 3, digit_pairs[low].data(), 2);
  }
  std::size_t zero_bytes = 0, zero_digits = 0;
  while (zero_bytes < Bytes && bytes[zero_bytes] == 0) ++zero_bytes;
  while (zero_digits < sizeof text && text[zero_digits] == alphabet[0]) ++zero_digits;
  const std::size_t skip = zero_digits - zero_bytes;  // each leading zero byte is one leading '1'
  const std::size_t size = sizeof text - skip;
  // Between Bytes and 1.375 Bytes characters: two copies of fixed sizes that overlap.
  std::memcpy(out, text + skip, Bytes);
  std::memcpy(out + size - Bytes / 2, text + sizeof text - Bytes / 2, Bytes / 2);
  return size;
}

// A number in base 58^5, the least significant digit first, times 2^128 and `limbs` (the highest first). One
// limb's carry goes through all digits, each step waiting for the one before; the four limbs follow each
// other one digit apart, so that four steps are under way at a time. The last five digits are zero before.
void append_limbs(std::uint32_t* digits, std::size_t count, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                  std::uint64_t d) noexcept {
  const auto step = [](std::uint32_t& digit, std::uint64_t& carry) {
    const std::uint64_t v = (std::uint64_t{digit} << 32) + carry;
    carry = v / big_digit;
    digit = static_cast<std::uint32_t>(v - carry * big_digit);
  };
  step(digits[0], a);
  step(digits[1], a), step(digits[0], b);
  step(digits[2], a), step(digits[1], b), step(digits[0], c);
  for (std::uint32_t *at = digits + 3, *end = digits + count; at != end; ++at)
    step(at[0], a), step(at[-1], b), step(at[-2], c), step(at[-3], d);
  std::uint32_t* last = digits + count - 1;
  step(last[0], b), step(last[-1], c), step(last[-2], d);
  step(last[0], c), step(last[-1], d);
  step(last[0], d);
}

// Appends what `bytes` are, which do not begin with zero.
void append_base58(std::string& out, bytes_view bytes) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  std::vector<std::uint32_t> digits(bytes.size() * 8 / 29 + 6);
  std::size_t used = 0;
  for (std::size_t left = bytes.size(); left > 0;) {
    std::uint8_t group[16] = {};
    const std::size_t take = (left - 1) % 16 + 1;  // what does not fill sixteen comes first
    std::memcpy(group + 16 - take, p + bytes.size() - left, take);
    left -= take;
    used = std::min(used + 5, digits.size());
    append_limbs(digits.data(), used, load_be32(group), load_be32(group + 4), load_be32(group + 8),
                 load_be32(group + 12));
    while (used > 0 && digits[used - 1] == 0) --used;
  }
  const std::size_t start = out.size();
  out.resize(start + used * 5);
  char* to = out.data() + start;
  for (std::size_t d = used; d-- > 0; to += 5) {
    const std::uint32_t high = digits[d] / 3364, low = digits[d] % 3364;  // 58^2
    to[0] = alphabet[high / 3364];
    std::memcpy(to + 1, digit_pairs[high % 3364].data(), 2);
    std::memcpy(to + 3, digit_pairs[low].data(), 2);
  }
  const auto first = out.find_first_not_of(alphabet[0], start);
  out.erase(start, std::min(first, out.size()) - start);
}

template <std::size_t Bytes>
bool decode_fixed(std::string_view text, std::uint8_t* out) noexcept {
  constexpr std::size_t limbs = shape<Bytes>::limbs, digits = shape<Bytes>::digits;
  constexpr std::size_t longest = Bytes == 32 ? base58_32_max : base58_64_max;
  if (text.size() < Bytes || text.size() > longest) return false;
  std::uint8_t raw[digits * 5] = {};
  const std::size_t pad = sizeof raw - text.size();
  std::uint8_t worst = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    raw[pad + i] = digit_values[static_cast<unsigned char>(text[i])];
    worst |= raw[pad + i];
  }
  if (worst >= 64) return false;
  std::uint64_t value[limbs] = {};
#pragma GCC unroll 18
  for (std::size_t k = 0; k < digits; ++k) {
    const std::uint8_t* r = raw + 5 * k;
    const std::uint64_t big = (r[0] * 58ULL + r[1]) * 195112 + (r[2] * 58ULL + r[3]) * 58 + r[4];
#pragma GCC unroll 16
    for (std::size_t d = 0; d < limbs; ++d) value[d] += big * decode_rows<Bytes>[k][d];
    if (k % decode_step<Bytes> == decode_step<Bytes> - 1 || k == digits - 1) {
#pragma GCC unroll 16
      for (std::size_t d = limbs - 1; d > 0; --d) {
        value[d - 1] += value[d] >> 32;
        value[d] &= 0xffffffff;
      }
    }
  }
  if (value[0] >> 32) return false;
  for (std::size_t d = 0; d < limbs; ++d) {
    const std::uint32_t v = __builtin_bswap32(static_cast<std::uint32_t>(value[d]));
    std::memcpy(out + 4 * d, &v, 4);
  }
  std::size_t zeros = 0;
  while (zeros < Bytes && out[zeros] == 0) ++zeros;
  return text.substr(0, zeros) ==
             std::string_view("1111111111111111111111111111111111111111111111111111111111111111", zeros) &&
         (zeros == text.size() || text[zeros] != '1');
}

}  // namespace

std::size_t base58_encode_32(const std::uint8_t* bytes, char* out) noexcept {
  return encode_fixed<32>(bytes, out);
}
std::size_t base58_encode_64(const std::uint8_t* bytes, char* out) noexcept {
  return encode_fixed<64>(bytes, out);
}
bool base58_decode_32(std::string_view text, std::uint8_t* out) noexcept {
  return decode_fixed<32>(text, out);
}
bool base58_decode_64(std::string_view text, std::uint8_t* out) noexcept {
  return decode_fixed<64>(text, out);
}

std::string base58_encode(bytes_view bytes) {
  std::string out;
  if (bytes.size() == 32 || bytes.size() == 64) {
    out.resize(base58_64_max);
    const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
    out.resize(bytes.size() == 32 ? base58_encode_32(p, out.data()) : base58_encode_64(p, out.data()));
    return out;
  }
  std::size_t zeros = 0;
  while (zeros < bytes.size() && bytes[zeros] == std::byte{0}) ++zeros;
  out.assign(zeros, alphabet[0]);
  append_base58(out, bytes.subspan(zeros));
  return out;
}

result<std::vector<std::byte>> base58_decode(std::string_view text, std::size_t max_text) {
  if (text.size() > max_text) return error(osvm::errc::limit_exceeded, "base58 text is too long");
  std::size_t ones = 0;
  while (ones < text.size() && text[ones] == '1') ++ones;
  std::vector<std::uint32_t> limbs;  // base 2^32, least significant first
  for (const char c : text.substr(ones)) {
    std::uint64_t carry = digit_values[static_cast<unsigned char>(c)];
    if (carry == bad) return error(osvm::errc::malformed, "a character outside the base58 alphabet");
    for (auto& limb : limbs) {
      carry += std::uint64_t{limb} * 58;
      limb = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry) limbs.push_back(static_cast<std::uint32_t>(carry));
  }
  std::vector<std::byte> out;
  out.reserve(ones + limbs.size() * 4);
  for (const auto limb : limbs)
    for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::byte>(limb >> shift));
  while (!out.empty() && out.back() == std::byte{0}) out.pop_back();
  out.insert(out.end(), ones, std::byte{0});
  std::ranges::reverse(out);
  return out;
}

template <std::size_t N, class Tag>
std::string fixed_bytes<N, Tag>::to_string() const {
  return base58_encode(view());
}

template <std::size_t N, class Tag>
result<fixed_bytes<N, Tag>> fixed_bytes<N, Tag>::parse(std::string_view text) {
  fixed_bytes out;
  if (!decode_fixed<N>(text, out.bytes.data()))
    return error(osvm::errc::malformed, "not base58 of " + std::to_string(N) + " bytes");
  return out;
}

template struct fixed_bytes<32, pubkey_tag>;
template struct fixed_bytes<32, hash_tag>;
template struct fixed_bytes<64, signature_tag>;

}  // namespace osvm::solana
