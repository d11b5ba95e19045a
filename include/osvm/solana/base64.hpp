// RFC 4648 base64 with padding, as JSON-RPC uses it.
#pragma once

#include <osvm/core/bytes.hpp>

#include <string>
#include <vector>

namespace osvm::solana {

void base64_append(std::string& out, bytes_view bytes);
std::string base64_encode(bytes_view bytes);
// Strict: canonical padding, no white space. errc::malformed, or errc::limit_exceeded above `max_bytes`.
result<std::vector<std::byte>> base64_decode(std::string_view text, std::size_t max_bytes = 64 << 20);

}  // namespace osvm::solana
