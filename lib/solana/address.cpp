// The curve check needs no point arithmetic: y is the coordinate of a point exactly when (y²-1)/(dy²+1) is a
// square, and since dy²+1 is never zero that is when the product of the two is one (Euler's criterion).
#include <osvm/solana/address.hpp>
#include <osvm/solana/hashing.hpp>
#include <osvm/solana/programs.hpp>

namespace osvm::solana {
namespace {

using u128 = unsigned __int128;
constexpr std::uint64_t mask = (1ULL << 51) - 1;

// A number modulo 2^255-19 in five limbs of 51 bits; limbs may exceed 51 bits slightly between operations.
struct field {
  std::uint64_t limb[5];
};

constexpr field one{{1, 0, 0, 0, 0}};
// -121665/121666
constexpr field d{{929955233495203, 466365720129213, 1662059464998953, 2033849074728123, 1442794654840575}};

field carried(const u128 (&t)[5]) noexcept {
  field r{};
  u128 carry = 0;
  for (int i = 0; i < 5; ++i) {
    const u128 v = t[i] + carry;
    r.limb[i] = static_cast<std::uint64_t>(v) & mask;
    carry = v >> 51;
  }
  const u128 first = r.limb[0] + carry * 19;
  r.limb[0] = static_cast<std::uint64_t>(first) & mask;
  r.limb[1] += static_cast<std::uint64_t>(first >> 51);
  return r;
}

field multiply(const field& a, const field& b) noexcept {
  u128 t[5] = {};
  for (int i = 0; i < 5; ++i)
    for (int k = 0; k < 5; ++k) {
      const int at = i + k;
      const std::uint64_t factor = at >= 5 ? b.limb[k] * 19 : b.limb[k];
      t[at % 5] += static_cast<u128>(a.limb[i]) * factor;
    }
  return carried(t);
}

field add(const field& a, const field& b) noexcept {
  u128 t[5];
  for (int i = 0; i < 5; ++i) t[i] = static_cast<u128>(a.limb[i]) + b.limb[i];
  return carried(t);
}

field subtract(const field& a, const field& b) noexcept {
  static constexpr std::uint64_t twice_p[5] = {4503599627370458, 4503599627370494, 4503599627370494,
                                               4503599627370494, 4503599627370494};
  u128 t[5];
  for (int i = 0; i < 5; ++i) t[i] = static_cast<u128>(a.limb[i]) + twice_p[i] - b.limb[i];
  return carried(t);
}

// The least non-negative residue.
field reduced(field v) noexcept {
  v = add(v, field{});
  std::uint64_t q = (v.limb[0] + 19) >> 51;
  for (int i = 1; i < 5; ++i) q = (v.limb[i] + q) >> 51;
  v.limb[0] += 19 * q;
  for (int i = 0; i < 4; ++i) {
    v.limb[i + 1] += v.limb[i] >> 51;
    v.limb[i] &= mask;
  }
  v.limb[4] &= mask;
  return v;
}

// v^((p-1)/2): the exponent 2^254-10 is 251 ones, then 0110.
field euler(const field& v) noexcept {
  field r = one;
  for (int bit = 253; bit >= 0; --bit) {
    r = multiply(r, r);
    const bool set = bit >= 4 || bit == 2 || bit == 1;
    if (set) r = multiply(r, v);
  }
  return r;
}

field load(const pubkey& key) noexcept {
  std::uint64_t w[4];
  std::memcpy(w, key.data(), 32);
  w[3] &= ~(1ULL << 63);  // the sign of x
  return {{w[0] & mask, (w[0] >> 51 | w[1] << 13) & mask, (w[1] >> 38 | w[2] << 26) & mask,
           (w[2] >> 25 | w[3] << 39) & mask, w[3] >> 12}};
}

}  // namespace

bool on_curve(const pubkey& key) noexcept {
  const field y = load(key);
  const field y2 = multiply(y, y);
  const field product = multiply(subtract(y2, one), add(multiply(d, y2), one));
  const field r = reduced(euler(product));
  const bool rest_zero = (r.limb[1] | r.limb[2] | r.limb[3] | r.limb[4]) == 0;
  return rest_zero && r.limb[0] <= 1;
}

result<pubkey> create_program_address(std::span<const bytes_view> seeds, const pubkey& program) {
  static constexpr std::string_view marker = "ProgramDerivedAddress";
  if (seeds.size() > 16) return error(osvm::errc::limit_exceeded, "more than 16 seeds");
  std::array<std::byte, 16 * 32 + 32 + marker.size()> text;
  std::size_t length = 0;
  auto append = [&](bytes_view b) {
    std::memcpy(text.data() + length, b.data(), b.size());
    length += b.size();
  };
  for (const auto s : seeds) {
    if (s.size() > 32) return error(osvm::errc::limit_exceeded, "a seed is longer than 32 bytes");
    if (!s.empty()) append(s);
  }
  append(program.view());
  append(as_bytes(marker));
  const hash h = sha256(bytes_view(text).first(length));
  pubkey out;
  out.bytes = h.bytes;
  if (on_curve(out))
    return error(osvm::errc::invalid_argument, "the address of these seeds lies on the curve");
  return out;
}

result<std::pair<pubkey, std::uint8_t>> find_program_address(std::span<const bytes_view> seeds,
                                                             const pubkey& program) {
  if (seeds.size() > 15) return error(osvm::errc::limit_exceeded, "more than 15 seeds beside the bump");
  std::array<bytes_view, 16> all;
  std::copy(seeds.begin(), seeds.end(), all.begin());
  for (int bump = 255; bump >= 0; --bump) {
    const auto b = static_cast<std::byte>(bump);
    all[seeds.size()] = {&b, 1};
    auto found = create_program_address({all.data(), seeds.size() + 1}, program);
    if (found) return std::pair{*found, static_cast<std::uint8_t>(bump)};
    if (found.error().code != osvm::errc::invalid_argument) return found.error();
  }
  return error(osvm::errc::not_found, "no bump seed gives an address off the curve");
}

result<pubkey> create_with_seed(const pubkey& base, std::string_view seed, const pubkey& owner) {
  if (seed.size() > 32) return error(osvm::errc::limit_exceeded, "a seed is longer than 32 bytes");
  pubkey out;
  out.bytes = sha256({base.view(), as_bytes(seed), owner.view()}).bytes;
  return out;
}

result<pubkey> associated_token_address(const pubkey& owner, const pubkey& mint,
                                        const pubkey& token_program) {
  const bytes_view seeds[] = {owner.view(), token_program.view(), mint.view()};
  OSVM_TRY(const auto found, find_program_address(seeds, programs::associated_token));
  return found.first;
}

}  // namespace osvm::solana
