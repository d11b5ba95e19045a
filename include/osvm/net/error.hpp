// What can go wrong between this process and a server. Socket failures keep their errno.
#pragma once

#include <osvm/core/error.hpp>

namespace osvm::net {

enum class errc {
  ok = 0,
  bad_url,          // not an address that a client can use
  resolve_failed,   // the host name has no address
  certificate,      // the server's certificate is not to be trusted, or is for another name
  tls,              // the TLS handshake or its records failed for another reason
  connection_lost,  // the connection ended before the answer was whole
  bad_response,     // the answer does not follow HTTP/1.1
  too_large,        // the answer is larger than the caller allowed
  upgrade_refused,  // the server does not speak WebSocket there
  protocol,         // the peer broke RFC 6455
  closed_by_peer,   // the peer closed the WebSocket; its code and reason are with the connection
  too_slow,         // more is queued for the peer than was allowed
};

const boost::system::error_category& net_category() noexcept;
inline error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), net_category()};
}

}  // namespace osvm::net

template <>
struct boost::system::is_error_code_enum<osvm::net::errc> : std::true_type {};
