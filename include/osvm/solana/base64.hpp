// RFC 4648 base64 with padding, as JSON-RPC uses it.
#pragma once

#include <osvm/core/bytes.hpp>

#include <string>
#include <vector>

namespace osvm::solana {

void base64_append(std::string& out, bytes_view bytes);
std::string base64_encode(bytes_view bytes);
// The same to where there is room for base64_size() characters, which it fills; gives the end.
char* base64_write(bytes_view bytes, char* to) noexcept;
constexpr std::size_t base64_size(std::size_t bytes) noexcept {
  return (bytes + 2) / 3 * 4;
}
// Strict: canonical padding, no white space. errc::malformed, or errc::limit_exceeded above `max_bytes`.
result<std::vector<std::byte>> base64_decode(std::string_view text, std::size_t max_bytes = 64 << 20);

}  // namespace osvm::solana
