// The fixed-size values of the Solana wire: addresses, hashes and signatures. Plain bytes with base58 text.
#pragma once

#include <osvm/core/bytes.hpp>

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <string>

namespace osvm::solana {

// N bytes that are not interchangeable with other N bytes: Tag makes the type. A value; alignment 1, so that
// a span of them can lie on wire bytes.
template <std::size_t N, class Tag>
struct fixed_bytes {
  static constexpr std::size_t size = N;
  std::array<std::uint8_t, N> bytes{};

  const std::uint8_t* data() const noexcept { return bytes.data(); }
  bytes_view view() const noexcept { return std::as_bytes(std::span(bytes)); }
  bool is_zero() const noexcept { return bytes == std::array<std::uint8_t, N>{}; }
  // Base58, as every Solana tool writes it.
  std::string to_string() const;
  // Exactly N bytes of base58; errc::malformed otherwise.
  static result<fixed_bytes> parse(std::string_view text);
  // The first N bytes of `from`, or errc::truncated.
  static result<fixed_bytes> read(bytes_view from) {
    if (from.size() < N) return error(osvm::errc::truncated, "fewer bytes than the value has");
    fixed_bytes out;
    std::memcpy(out.bytes.data(), from.data(), N);
    return out;
  }
  friend auto operator<=>(const fixed_bytes&, const fixed_bytes&) = default;
};

struct pubkey_tag;
struct hash_tag;
struct signature_tag;
using pubkey = fixed_bytes<32, pubkey_tag>;
using hash = fixed_bytes<32, hash_tag>;
using signature = fixed_bytes<64, signature_tag>;

static_assert(sizeof(pubkey) == 32 && alignof(pubkey) == 1 && sizeof(signature) == 64);

// A table of such values that lies in wire bytes; `bytes` must outlive it. A trailing part is left out.
template <class T>
std::span<const T> view_as(bytes_view bytes) noexcept {
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

struct bytes_hasher {
  template <std::size_t N, class Tag>
  std::size_t operator()(const fixed_bytes<N, Tag>& v) const noexcept {
    std::size_t h;
    std::memcpy(&h, v.data() + 8, sizeof h);  // keys and hashes are uniformly distributed
    return h;
  }
};

}  // namespace osvm::solana
