// Who a client is: the address that it connected from, or that a trusted proxy before us says.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>

namespace osvm::hotswap::detail {

struct client_address {
  std::array<std::uint8_t, 16> ip{};  // IPv4 as ::ffff:a.b.c.d; all zero: unknown, or a unix socket
  std::uint16_t port = 0;

  static client_address of(const sockaddr_storage& from) noexcept;
  bool known() const noexcept { return ip != std::array<std::uint8_t, 16>{}; }
  bool v4() const noexcept;
  std::string text() const;  // without the port; "unknown" when it is not known
  bool operator==(const client_address&) const = default;
};

}  // namespace osvm::hotswap::detail
