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

// Eight products of 32-bit by 30-bit numbers, and what a carry left, must fit 64 bits: the sum of a column
// bounds it. Longer inputs carry in between.
template <std::size_t Bytes>
consteval bool columns_fit(std::size_t step) {
  const auto& rows = encode_rows<Bytes>;
  for (std::size_t from = 0; from < rows.size(); from += step)
    for (std::size_t d = 0; d < rows[0].size(); ++d) {
      std::uint64_t sum = 0;
      for (std::size_t k = from; k < from + step; ++k) sum += rows[k][d];
      if (sum >= 0xfffffff0ULL) return false;
    }
  return true;
}
constexpr std::size_t carry_every = 4;
static_assert(columns_fit<32>(carry_every) && columns_fit<64>(carry_every));

template <std::size_t Digits>
inline void carry_down(std::uint64_t (&value)[Digits]) noexcept {
  for (std::size_t d = Digits - 1; d > 0; --d) {
    value[d - 1] += value[d] / big_digit;
    value[d] %= big_digit;
  }
}

inline std::uint32_t load_be32(const std::uint8_t* p) noexcept {
  std::uint32_t v;
  std::memcpy(&v, p, 4);
  return __builtin_bswap32(v);
}

template <std::size_t Bytes>
std::size_t encode_fixed(const std::uint8_t* bytes, char* out) noexcept {
  constexpr std::size_t limbs = shape<Bytes>::limbs, digits = shape<Bytes>::digits;
  std::uint64_t value[digits] = {};
  for (std::size_t k = 0; k < limbs; ++k) {
    const std::uint64_t limb = load_be32(bytes + 4 * k);
    for (std::size_t d = 0; d < digits; ++d) value[d] += limb * encode_rows<Bytes>[k][d];
    if (k % carry_every == carry_every - 1) carry_down(value);
  }
  std::uint8_t raw[digits * 5];
  for (std::size_t d = 0; d < digits; ++d) {
    auto v = static_cast<std::uint32_t>(value[d]);
    const std::uint32_t high = v / 3364;  // 58^2
    v -= high * 3364;
    const std::uint32_t top = high / 3364, middle = high % 3364;
    raw[5 * d + 4] = static_cast<std::uint8_t>(v % 58);
    raw[5 * d + 3] = static_cast<std::uint8_t>(v / 58);
    raw[5 * d + 2] = static_cast<std::uint8_t>(middle % 58);
    raw[5 * d + 1] = static_cast<std::uint8_t>(middle / 58);
    raw[5 * d] = static_cast<std::uint8_t>(top);
  }
  std::size_t zero_bytes = 0, zero_digits = 0;
  while (zero_bytes < Bytes && bytes[zero_bytes] == 0) ++zero_bytes;
  while (zero_digits < sizeof raw && raw[zero_digits] == 0) ++zero_digits;
  const std::size_t skip = zero_digits - zero_bytes;  // each leading zero byte is one leading '1'
  for (std::size_t i = skip; i < sizeof raw; ++i) out[i - skip] = alphabet[raw[i]];
  return sizeof raw - skip;
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
  for (std::size_t k = 0; k < digits; ++k) {
    const std::uint8_t* r = raw + 5 * k;
    const std::uint64_t big = (((r[0] * 58ULL + r[1]) * 58 + r[2]) * 58 + r[3]) * 58 + r[4];
    for (std::size_t d = 0; d < limbs; ++d) value[d] += big * decode_rows<Bytes>[k][d];
    if (k % 3 == 2 || k == digits - 1) {  // three products below 2^62 and one carry fit
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
  std::vector<std::uint32_t> digits;  // base 58^5, least significant first
  digits.reserve((bytes.size() - zeros) * 8 / 29 + 1);
  // Four bytes at a time, what does not fill four first: 2^30 times 2^32 and a carry fit 64 bits.
  for (std::size_t i = zeros; i < bytes.size();) {
    const std::size_t step = (bytes.size() - i - 1) % 4 + 1;
    std::uint64_t carry = 0;
    for (const std::size_t end = i + step; i < end; ++i)
      carry = carry << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    for (auto& d : digits) {
      carry += std::uint64_t{d} << (8 * step);
      d = static_cast<std::uint32_t>(carry % big_digit);
      carry /= big_digit;
    }
    for (; carry; carry /= big_digit) digits.push_back(static_cast<std::uint32_t>(carry % big_digit));
  }
  for (auto d : digits)
    for (int i = 0; i < 5; ++i, d /= 58) out.push_back(alphabet[d % 58]);
  while (!out.empty() && out.back() == '1') out.pop_back();
  out.append(zeros, '1');
  std::ranges::reverse(out);
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
