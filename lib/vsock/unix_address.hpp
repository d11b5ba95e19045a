// Addresses of unix sockets whose paths may be longer than sockaddr_un holds.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

namespace osvm::vsock {

// Longest last component of a path: what fits behind "/proc/self/fd/<number>/".
inline constexpr std::size_t max_socket_name = 80;

// `address` is valid while `folder` is open: a long path is named relative to it through /proc/self/fd.
struct unix_address {
  sockaddr_un address{};
  socklen_t size = 0;
  unique_fd folder;

  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address); }
};

struct split_path {
  std::string folder;  // "." when the path has none
  std::string name;
};

// errc::invalid_argument for a path without a name, with NUL bytes, or with a name that is too long.
result<split_path> split_socket_path(const std::string& path);
result<unix_address> make_unix_address(const std::string& path);

}  // namespace osvm::vsock
