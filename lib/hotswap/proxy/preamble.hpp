// The PROXY header of a connection's beginning, on its socket.
#pragma once

#include "hotswap/io/shard.hpp"
#include "hotswap/proxy/proxy_header.hpp"
#include "hotswap/proxy/session_extra.hpp"

namespace osvm::hotswap::detail {

// Takes the header off the socket once it is whole, and nothing behind it; `x` learns who the client is.
proxy_header::status take_proxy_header(channel& ch, session_extra& x);
// The header for a release.
std::string proxy_header_of(const channel& client, session_extra& x, proxy_protocol version);

}  // namespace osvm::hotswap::detail
