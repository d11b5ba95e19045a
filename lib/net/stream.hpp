// A connected byte stream, plain or TLS, behind one interface: what speaks a protocol does not know which.
#pragma once

#include <osvm/net/tls.hpp>
#include <osvm/net/url.hpp>

#include <osvm/core/runtime.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace osvm::net {

namespace asio = boost::asio;
using raw_socket = asio::generic::stream_protocol::socket;

// Used by one coroutine at a time for reading and one for writing, on one strand. No member throws.
class stream {
 public:
  virtual ~stream() = default;
  // At least one byte, or an error; asio::error::eof at the orderly end.
  virtual asio::awaitable<result<std::size_t>> read_some(std::span<char> into) = 0;
  // All of it.
  virtual asio::awaitable<result<>> write(std::string_view text) = 0;
  // Everything outstanding ends with an error. Idempotent.
  virtual void close() noexcept = 0;
  // Open with nothing to read: the peer of a kept connection has neither closed it nor spoken.
  virtual bool quiet() noexcept = 0;
};

// For implementations: what is the same for every kind of socket.
template <class Socket>
asio::awaitable<result<>> write_all(Socket& socket, std::string_view text) {
  error_code ec;
  const auto buffer = asio::buffer(text.data(), text.size());
  co_await asio::async_write(socket, buffer, asio::redirect_error(asio::use_awaitable, ec));
  if (ec) co_return error(ec, "writing");
  co_return result<>();
}
inline bool nothing_to_read(raw_socket& socket) noexcept {
  char byte;
  return socket.is_open() && ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

std::unique_ptr<stream> make_plain_stream(raw_socket socket);
// Handshake included. `host` is what the certificate must be for.
asio::awaitable<result<std::unique_ptr<stream>>> make_tls_stream(raw_socket socket, tls_client tls,
                                                                 std::string host);

}  // namespace osvm::net
