#include "vsock/connector.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "vsock/unix_address.hpp"

namespace osvm::vsock {
namespace {

struct tcp_address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

result<tcp_address> make_tcp_address(const tcp_endpoint& to) {
  tcp_address out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (::inet_pton(AF_INET, to.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(to.port);
    out.size = sizeof(sockaddr_in);
  } else if (::inet_pton(AF_INET6, to.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(to.port);
    out.size = sizeof(sockaddr_in6);
  } else {
    return error(errc::invalid_argument, "'" + to.host + "' is no IP address");
  }
  return out;
}

}  // namespace

result<unique_fd> try_connect_unix(const std::string& path) {
  OSVM_TRY(const auto address, make_unix_address(path));
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket");
  // A unix connect is never in progress: it works, fails, or says EAGAIN when the listener's queue is full.
  if (::connect(fd.get(), address.get(), address.size) != 0) return errno_error("connect to unix:" + path);
  return fd;
}

result<connector::action> connector::step() {
  if (phase_ == phase::connecting) return finish_tcp();
  if (phase_ == phase::answering) return read_answer();
  if (const auto* tcp = std::get_if<tcp_endpoint>(&where_)) return open_tcp(*tcp);
  if (const auto* path = std::get_if<unix_endpoint>(&where_)) return open_unix(path->path);
  OSVM_TRY(const auto opened, open_unix(std::get<hybrid_endpoint>(where_).path));
  return opened == action::done ? greet() : opened;
}

result<connector::action> connector::open_tcp(const tcp_endpoint& to) {
  OSVM_TRY(const auto address, make_tcp_address(to));
  const auto* raw = reinterpret_cast<const sockaddr*>(&address.storage);
  fd_.reset(::socket(raw->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) return errno_error("socket");
  if (::connect(fd_.get(), raw, address.size) == 0) return action::done;
  if (errno != EINPROGRESS) return errno_error("connect to " + to_string(where_));
  phase_ = phase::connecting;
  return action::wait_writable;
}

result<connector::action> connector::finish_tcp() {
  int failure = 0;
  socklen_t size = sizeof(failure);
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &failure, &size) != 0) return errno_error("getsockopt");
  if (failure != 0) return errno_error("connect to " + to_string(where_), failure);
  return action::done;
}

result<connector::action> connector::open_unix(const std::string& path) {
  auto connected = try_connect_unix(path);
  if (!connected && connected.error().code == boost::system::errc::resource_unavailable_try_again) {
    return action::retry_later;
  }
  if (!connected) return std::move(connected).error();
  fd_ = std::move(connected).value();
  return action::done;
}

result<connector::action> connector::greet() {
  const auto line = format_connect(std::get<hybrid_endpoint>(where_).port);
  // A fresh socket has room for 20 bytes, so a short write means that the other side is gone.
  if (::send(fd_.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return errno == EPIPE || errno == ECONNRESET ? refused()
                                                 : errno_error("vsock handshake with " + to_string(where_));
  }
  phase_ = phase::answering;
  return action::wait_readable;
}

result<connector::action> connector::read_answer() {
  auto line = answer_.read(fd_.get());
  if (line) return *line ? action::done : action::wait_readable;
  const auto& code = line.error().code;
  if (code == errc::closed || code == boost::system::errc::connection_reset) return refused();
  return std::move(line).error();
}

error connector::refused() const {
  return errno_error(to_string(where_) + " takes no connection: nobody listens there, or its backlog is full",
                     ECONNREFUSED);
}

}  // namespace osvm::vsock
