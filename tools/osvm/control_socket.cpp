#include "control_socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace osvm::cli {
namespace {

constexpr int waiting_clients = 16;

result<sockaddr_un> control_address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof out.sun_path)
    return error(errc::limit_exceeded, "'" + path + "' is no path for a socket (at most 107 bytes)");
  std::memcpy(out.sun_path, path.data(), path.size());
  return out;
}

int connect_to(int fd, const sockaddr_un& at) {
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 ? 0 : errno;
}

// connect() refuses a plain file as it refuses a socket that nobody serves: only the type tells them apart.
result<> remove_left_socket(const std::string& path, const sockaddr_un& at) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return errno == ENOENT ? result<>() : errno_error("stat " + path);
  if (!S_ISSOCK(info.st_mode)) return error(errc::busy, path + " exists and is no socket");
  const unique_fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return errno_error("socket");
  if (connect_to(probe.get(), at) != ECONNREFUSED)
    return error(errc::busy, "another process listens on " + path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("unlink " + path);
  return {};
}

}  // namespace

result<unique_fd> listen_control(const std::string& path) {
  OSVM_TRY(const auto at, control_address(path));
  OSVM_CHECK(remove_left_socket(path, at));
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket");
  // Linux gives the file the socket's own mode less umask: there is no moment at which others may connect.
  if (::fchmod(fd.get(), S_IRUSR | S_IWUSR) != 0) return errno_error("fchmod of a socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
    return errno_error("bind " + path);
  if (::listen(fd.get(), waiting_clients) != 0) return errno_error("listen " + path);
  return fd;
}

result<unique_fd> connect_control(const std::string& path) {
  OSVM_TRY(const auto at, control_address(path));
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket");
  const int failed = connect_to(fd.get(), at);
  if (failed == EAGAIN) return error(errc::timed_out, path + ": it takes no further connection");
  if (failed != 0) return errno_error(path, failed);
  return fd;
}

result<> check_peer(int fd, peer_rule rule) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return errno_error("SO_PEERCRED");
  const bool root = rule == peer_rule::same_user_or_root && (who.uid == 0 || ::geteuid() == 0);
  if (who.uid != ::geteuid() && !root) return error(errc::denied, "the control socket is another user's");
  return {};
}

result<std::string> read_text(int fd, const read_bounds& bounds) {
  std::string out;
  while (bounds.to_the_end || out.find('\n') == std::string::npos) {
    pollfd p[2] = {{fd, POLLIN, 0}, {bounds.stop, POLLIN, 0}};  // poll() passes over a negative descriptor
    const int ready = ::poll(p, 2, bounds.until.poll_timeout());
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return errno_error("poll");
    if (ready == 0) return error(errc::timed_out, "no answer in time");
    if (p[1].revents != 0) return error(errc::cancelled, "this end stops");
    char part[4096];
    const auto n = ::recv(fd, part, sizeof part, 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return errno_error("recv");
    if (n == 0) break;
    out.append(part, static_cast<std::size_t>(n));
    if (out.size() > bounds.bytes) return error(errc::limit_exceeded, "too long a text");
  }
  return out;
}

void send_text(int fd, std::string_view text) {
  const auto until = osvm::deadline::after(std::chrono::seconds(2));
  while (!text.empty()) {
    const auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    pollfd p{fd, POLLOUT, 0};
    if (errno == EAGAIN && ::poll(&p, 1, until.poll_timeout()) > 0) continue;
    if (errno != EINTR) return;
  }
}

}  // namespace osvm::cli
