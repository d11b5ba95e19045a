// The two lines of the hybrid vsock handshake, without I/O (docs/formats/hybrid-vsock.md):
//   client: "CONNECT <port>\n"      server: "OK <host port>\n", or it closes the connection.
#pragma once

#include <osvm/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace osvm::vsock {

// No valid line is longer, newline included; whatever is longer is malformed.
inline constexpr std::size_t max_handshake_line = 32;

// A complete line.
struct handshake_line {
  std::uint32_t port = 0;
  std::size_t size = 0;  // bytes of the line, newline included; what follows belongs to the stream
  bool operator==(const handshake_line&) const = default;
};

// Reads the line at the start of `bytes`. An empty optional asks for more bytes; errc::malformed is final,
// and comes with the first byte that no valid line could have. Ports are decimal, without sign or leading
// zeros, and below 2^32 - 1 (which means "any").
result<std::optional<handshake_line>> parse_connect(std::string_view bytes);
result<std::optional<handshake_line>> parse_ok(std::string_view bytes);

std::string format_connect(std::uint32_t port);
std::string format_ok(std::uint32_t host_port);

}  // namespace osvm::vsock
