#include "hotswap/proxy/preamble.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace osvm::hotswap::detail {

using status = proxy_header::status;

proxy_header::status take_proxy_header(channel& ch, session_extra& x) {
  std::array<char, max_proxy_header> bytes;
  const ssize_t n = ::recv(ch.fd.get(), bytes.data(), bytes.size(), MSG_PEEK);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return status::partial;
  if (n <= 0) return status::wrong;
  const auto h = read_proxy_header({bytes.data(), static_cast<std::size_t>(n)});
  if (h.state == status::partial && (ch.peer_done || ch.broken)) return status::wrong;
  if (h.state != status::whole) return h.state;
  if (::recv(ch.fd.get(), bytes.data(), h.size, 0) != static_cast<ssize_t>(h.size)) return status::wrong;
  if (h.source.known()) {
    x.client = h.source;
    x.local = h.destination;
    x.client_text = h.source.text();
  }
  return status::whole;
}

std::string proxy_header_of(const channel& client, session_extra& x, proxy_protocol version) {
  if (!x.local.known()) {
    sockaddr_storage here{};
    socklen_t size = sizeof here;
    if (::getsockname(client.fd.get(), reinterpret_cast<sockaddr*>(&here), &size) == 0) {
      x.local = client_address::of(here);
    }
  }
  return write_proxy_header(version, x.client, x.local);
}

}  // namespace osvm::hotswap::detail
