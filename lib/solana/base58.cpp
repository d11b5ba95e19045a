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

// Any length: 64-bit limbs and digits in base 58^10, a quarter of the steps.
constexpr std::uint64_t huge_digit = big_digit * big_digit;
constexpr unsigned huge_shift = 5;  // makes its highest bit 1
constexpr std::uint64_t huge_divisor = huge_digit << huge_shift;
static_assert(huge_divisor >> 63 == 1);
__extension__ using wide = unsigned __int128;
constexpr std::uint64_t huge_inverse = static_cast<std::uint64_t>(~wide{0} / huge_divisor);  // less 2^64

// digit * 2^64 + carry, divided by 58^10: a division by a constant as N. Moeller and T. Granlund do it
// ("Improved division by invariant integers"), since the compiler would call a function.
inline void take_limb(std::uint64_t& digit, std::uint64_t& carry) noexcept {
  const std::uint64_t high = digit << huge_shift | carry >> (64 - huge_shift), low = carry << huge_shift;
  const wide q = wide{huge_inverse} * high + (wide{high} << 64 | low);
  std::uint64_t quotient = static_cast<std::uint64_t>(q >> 64) + 1;
  std::uint64_t rest = low - quotient * huge_divisor;
  const bool over = rest > static_cast<std::uint64_t>(q);
  quotient -= over;
  rest += over ? huge_divisor : 0;
  if (rest >= huge_divisor) [[unlikely]]
    ++quotient, rest -= huge_divisor;
  digit = rest >> huge_shift;
  carry = quotient;
}

// A number in base 58^10, the least significant digit first, times 2^256 and `limbs` (the highest first). One
// limb's carry goes through all digits, each step waiting for the one before; the four limbs follow each
// other one digit apart, so that four steps are under way at a time. The last five digits are zero before.
void append_limbs(std::uint64_t* digits, std::size_t count, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                  std::uint64_t d) noexcept {
  take_limb(digits[0], a);
  take_limb(digits[1], a), take_limb(digits[0], b);
  take_limb(digits[2], a), take_limb(digits[1], b), take_limb(digits[0], c);
  for (std::uint64_t *at = digits + 3, *end = digits + count; at != end; ++at)
    take_limb(at[0], a), take_limb(at[-1], b), take_limb(at[-2], c), take_limb(at[-3], d);
  std::uint64_t* last = digits + count - 1;
  take_limb(last[0], b), take_limb(last[-1], c), take_limb(last[-2], d);
  take_limb(last[0], c), take_limb(last[-1], d);
  take_limb(last[0], d);
}

inline std::uint64_t load_be64(const std::uint8_t* p) noexcept {
  std::uint64_t v;
  std::memcpy(&v, p, 8);
  return __builtin_bswap64(v);
}

inline void write_five(std::uint32_t v, char* to) noexcept {
  const std::uint32_t high = v / 3364, low = v % 3364;  // 58^2
  to[0] = alphabet[high / 3364];
  std::memcpy(to + 1, digit_pairs[high % 3364].data(), 2);
  std::memcpy(to + 3, digit_pairs[low].data(), 2);
}

// One more than a number of `bytes` bytes can have, and those that a group of limbs adds.
constexpr std::size_t huge_digits_for(std::size_t bytes) noexcept {
  return bytes * 8 / 58 + 6;
}

// Writes what `bytes` are, which do not begin with zero, by zeroed `digits` of huge_digits_for() them.
char* write_number(bytes_view bytes, std::uint64_t* digits, char* to) noexcept {
  const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const std::size_t most = huge_digits_for(bytes.size());
  std::size_t used = 0;
  for (std::size_t left = bytes.size(); left > 0;) {
    std::uint8_t group[32] = {};
    const std::size_t take = (left - 1) % 32 + 1;  // what does not fill 32 comes first
    std::memcpy(group + 32 - take, p + bytes.size() - left, take);
    left -= take;
    used = std::min(used + 5, most);
    append_limbs(digits, used, load_be64(group), load_be64(group + 8), load_be64(group + 16),
                 load_be64(group + 24));
    while (used > 0 && digits[used - 1] == 0) --used;
  }
  if (used == 0) return to;
  char first[10];
  write_five(static_cast<std::uint32_t>(digits[used - 1] / big_digit), first);
  write_five(static_cast<std::uint32_t>(digits[used - 1] % big_digit), first + 5);
  const auto* significant = std::find_if(first, first + 9, [](char c) { return c != alphabet[0]; });
  to = std::copy(significant, static_cast<const char*>(first + 10), to);
  for (std::size_t d = used - 1; d-- > 0; to += 10) {
    write_five(static_cast<std::uint32_t>(digits[d] / big_digit), to);
    write_five(static_cast<std::uint32_t>(digits[d] % big_digit), to + 5);
  }
  return to;
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

namespace {

// At most 64 bytes, which do not begin with zero: as 32 or 64 with zeros in front, each of which is a digit.
char* write_short(bytes_view bytes, char* to) noexcept {
  std::uint8_t padded[64] = {};
  char text[base58_64_max];
  const std::size_t whole = bytes.size() <= 32 ? 32 : 64, zeros = whole - bytes.size();
  std::memcpy(padded + zeros, bytes.data(), bytes.size());
  const std::size_t size = whole == 32 ? base58_encode_32(padded, text) : base58_encode_64(padded, text);
  std::memcpy(to, text + zeros, size - zeros);
  return to + size - zeros;
}

}  // namespace

char* base58_write(bytes_view bytes, char* to) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  if (bytes.size() == 32) return to + base58_encode_32(p, to);
  if (bytes.size() == 64) return to + base58_encode_64(p, to);
  while (!bytes.empty() && bytes[0] == std::byte{0}) *to++ = alphabet[0], bytes = bytes.subspan(1);
  if (bytes.empty()) return to;
  if (bytes.size() <= 64) return write_short(bytes, to);
  constexpr std::size_t usual = huge_digits_for(256);
  if (const auto most = huge_digits_for(bytes.size()); most > usual)
    return write_number(bytes, std::vector<std::uint64_t>(most).data(), to);
  std::uint64_t digits[usual] = {};
  return write_number(bytes, digits, to);
}

std::string base58_encode(bytes_view bytes) {
  std::string out(base58_bound(bytes.size()), '\0');
  out.resize(static_cast<std::size_t>(base58_write(bytes, out.data()) - out.data()));
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
