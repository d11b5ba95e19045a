// Endpoints as the socket calls want them.
#pragma once

#include <osvm/core/unique_fd.hpp>
#include <osvm/hotswap/error.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <sys/socket.h>

#include <cstdint>

namespace osvm::hotswap::detail {

struct address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  std::uint32_t hybrid_port = 0;
  bool hybrid = false;  // the CONNECT handshake comes first

  int family() const noexcept { return storage.ss_family; }
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Errors: errc::bad_endpoint, with what is wrong.
result<address> to_address(const endpoint& where);

// A non-blocking listening socket; `where` gets the real port. Replaces a unix socket that nobody listens on.
// Errors: errc::bad_listener or errno.
result<unique_fd> listen_on(endpoint& where, int backlog, unsigned unix_mode);

// The same of a listening socket that another process made for `where`. Errors: errc::bad_listener when it is
// none, or is for another address.
result<unique_fd> adopt_listener(endpoint& where, unique_fd fd);

// A non-blocking socket for `to`, with TCP_NODELAY where that exists; empty with errno set.
unique_fd open_socket(const address& to) noexcept;
void set_no_delay(int fd) noexcept;

}  // namespace osvm::hotswap::detail
