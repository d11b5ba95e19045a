// Where a service can be reached on this host.
#pragma once

#include <osvm/core/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace osvm {

// A TCP address. `host` is a literal IPv4 or IPv6 address; names are resolved by the caller.
struct tcp_endpoint {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  bool operator==(const tcp_endpoint&) const = default;
};

// A stream socket in the file system.
struct unix_endpoint {
  std::string path;
  bool operator==(const unix_endpoint&) const = default;
};

// A port behind a hybrid vsock listener: connect to `path`, send "CONNECT <port>\n", read "OK <host port>\n".
struct hybrid_endpoint {
  std::string path;
  std::uint32_t port = 0;
  bool operator==(const hybrid_endpoint&) const = default;
};

using endpoint = std::variant<tcp_endpoint, unix_endpoint, hybrid_endpoint>;

// "tcp:127.0.0.1:80", "tcp:[::1]:80", "unix:/path", "hybrid:/path:52". The prefix "tcp:" may be left out.
result<endpoint> parse_endpoint(std::string_view text);
std::string to_string(const endpoint& where);

}  // namespace osvm
