// The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): who the client of a proxied connection
// is. Wire only: bytes in, addresses out, and the other way.
#pragma once

#include "hotswap/proxy/client_address.hpp"

#include <osvm/hotswap/pool.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace osvm::hotswap::detail {

struct proxy_header {
  enum class status : std::uint8_t {
    partial,  // more bytes are needed
    whole,
    wrong,
  };
  status state = status::partial;
  std::size_t size = 0;  // of the header, when it is whole
  // Known only where the header names TCP addresses: a health check of the proxy before us (LOCAL), UNKNOWN
  // and unix sockets do not.
  client_address source, destination;
};

// A longer header is refused: addresses and extensions of proxies that exist take less.
inline constexpr std::size_t max_proxy_header = 2048;

// `bytes`: everything from the connection's beginning.
proxy_header read_proxy_header(std::string_view bytes);
// Addresses of different families, or unknown ones, are written as UNKNOWN and LOCAL.
std::string write_proxy_header(proxy_protocol version, const client_address& source,
                               const client_address& destination);

}  // namespace osvm::hotswap::detail
