#include "hotswap/io/address.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

namespace osvm::hotswap::detail {
namespace {

result<address> tcp_address(const tcp_endpoint& e) {
  address a;
  auto& v4 = reinterpret_cast<sockaddr_in&>(a.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(a.storage);
  if (::inet_pton(AF_INET, e.host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(e.port);
    a.length = sizeof v4;
    return a;
  }
  if (::inet_pton(AF_INET6, e.host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(e.port);
    a.length = sizeof v6;
    return a;
  }
  return error(errc::bad_endpoint, "'" + e.host + "' is no literal IPv4 or IPv6 address");
}

result<address> unix_address(const std::string& path) {
  address a;
  auto& un = reinterpret_cast<sockaddr_un&>(a.storage);
  if (path.empty() || path.size() >= sizeof un.sun_path || path.find('\0') != std::string::npos) {
    return error(errc::bad_endpoint, "the socket path must have 1 to " +
                                         std::to_string(sizeof un.sun_path - 1) + " bytes, it has " +
                                         std::to_string(path.size()));
  }
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  a.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return a;
}

// True when `path` is a socket that refuses connections: what a killed process leaves behind.
bool is_stale_socket(const std::string& path, const address& a) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
  unique_fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe && ::connect(probe.get(), a.get(), a.length) != 0 && errno == ECONNREFUSED;
}

result<void> bind_unix(int fd, const std::string& path, const address& a, unsigned mode) {
  if (is_stale_socket(path, a)) ::unlink(path.c_str());
  if (::bind(fd, a.get(), a.length) != 0) return errno_error("listen on unix:" + path);
  // Nobody can connect before listen(), so there is no moment with wrong permissions.
  if (::chmod(path.c_str(), mode) != 0) return errno_error("set permissions of unix:" + path);
  return {};
}

void read_port(int fd, tcp_endpoint& e) {
  sockaddr_storage s{};
  socklen_t n = sizeof s;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&s), &n) != 0) return;
  // The port is at the same place in both families.
  e.port = ntohs(reinterpret_cast<sockaddr_in&>(s).sin_port);
}

}  // namespace

result<address> to_address(const endpoint& where) {
  if (const auto* tcp = std::get_if<tcp_endpoint>(&where)) return tcp_address(*tcp);
  if (const auto* un = std::get_if<unix_endpoint>(&where)) return unix_address(un->path);
  const auto& hybrid = std::get<hybrid_endpoint>(where);
  OSVM_TRY(address a, unix_address(hybrid.path));
  a.hybrid = true;
  a.hybrid_port = hybrid.port;
  return a;
}

result<unique_fd> listen_on(endpoint& where, int backlog, unsigned unix_mode) {
  if (std::holds_alternative<hybrid_endpoint>(where)) {
    return error(errc::bad_listener, "a proxy listens on tcp or unix, not on hybrid");
  }
  auto a = to_address(where);
  if (!a) return error(errc::bad_listener, a.error().context);
  unique_fd fd(::socket(a->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket for the listener");
  if (auto* un = std::get_if<unix_endpoint>(&where)) {
    OSVM_CHECK(bind_unix(fd.get(), un->path, *a, unix_mode));
  } else {
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    auto& tcp = std::get<tcp_endpoint>(where);
    if (::bind(fd.get(), a->get(), a->length) != 0) {
      return errno_error("listen on " + tcp.host + ":" + std::to_string(tcp.port));
    }
  }
  if (::listen(fd.get(), backlog) != 0) return errno_error("listen");
  if (auto* tcp = std::get_if<tcp_endpoint>(&where)) read_port(fd.get(), *tcp);
  return fd;
}

result<unique_fd> adopt_listener(endpoint& where, unique_fd fd) {
  const error wrong(errc::bad_listener, "the inherited socket does not listen on " + to_string(where));
  OSVM_TRY(const auto wanted, to_address(where));
  int listens = 0;
  socklen_t n = sizeof listens;
  address has;
  has.length = sizeof has.storage;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) != 0 || listens == 0) return wrong;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&has.storage), &has.length) != 0) return wrong;
  if (has.family() != wanted.family()) return wrong;
  if (auto* tcp = std::get_if<tcp_endpoint>(&where)) {
    const auto port = tcp->port;
    read_port(fd.get(), *tcp);
    if (port != 0 && port != tcp->port) return wrong;
  }
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return errno_error("fcntl of a listener");
  return fd;
}

unique_fd open_socket(const address& to) noexcept {
  unique_fd fd(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd && to.family() != AF_UNIX) set_no_delay(fd.get());
  return fd;
}

void set_no_delay(int fd) noexcept {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace osvm::hotswap::detail
