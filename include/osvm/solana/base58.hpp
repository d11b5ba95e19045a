// Base58 with Bitcoin's alphabet. The 32- and 64-byte forms run in tens of nanoseconds; any other length is
// quadratic, so callers bound it.
#pragma once

#include <osvm/core/bytes.hpp>

#include <array>
#include <string>
#include <vector>

namespace osvm::solana {

// The longest text of 32 and of 64 bytes.
inline constexpr std::size_t base58_32_max = 44;
inline constexpr std::size_t base58_64_max = 88;

// Writes the text of 32 (64) bytes to `out`, which has room for base58_32_max (base58_64_max) characters, and
// gives its length. No terminating zero.
std::size_t base58_encode_32(const std::uint8_t* bytes, char* out) noexcept;
std::size_t base58_encode_64(const std::uint8_t* bytes, char* out) noexcept;
// False when `text` is not the base58 form of exactly 32 (64) bytes.
[[nodiscard]] bool base58_decode_32(std::string_view text, std::uint8_t* out) noexcept;
[[nodiscard]] bool base58_decode_64(std::string_view text, std::uint8_t* out) noexcept;

// Any length.
std::string base58_encode(bytes_view bytes);
// The same to where there is room for base58_bound() characters; gives the end.
char* base58_write(bytes_view bytes, char* to);
constexpr std::size_t base58_bound(std::size_t bytes) noexcept {
  return bytes + bytes * 3 / 8 + 8;  // log(256) / log(58) is 1.366
}
// errc::malformed for a character outside the alphabet, errc::limit_exceeded when the text is longer than
// `max_text` characters.
result<std::vector<std::byte>> base58_decode(std::string_view text, std::size_t max_text = 8192);

}  // namespace osvm::solana
