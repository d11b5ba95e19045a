#include "stream_io.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace osvm::cli {
namespace {

result<void> wait_for(int fd, short events, const deadline& until) {
  pollfd item{.fd = fd, .events = events, .revents = 0};
  for (;;) {
    const int ready = ::poll(&item, 1, until.milliseconds_left());
    if (ready > 0) return {};
    if (ready == 0) return error(errc::timed_out, "no progress on a connection");
    if (errno != EINTR) return errno_error("poll");
  }
}

}  // namespace

int deadline::milliseconds_left() const {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(at_ - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<long long>(left, 0, 1 << 30));
}

result<void> wait_readable(int fd, const deadline& until) {
  return wait_for(fd, POLLIN, until);
}

result<void> send_all(int fd, std::string_view data, const deadline& until) {
  while (!data.empty()) {
    const auto sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      data.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      OSVM_CHECK(wait_for(fd, POLLOUT, until));
    } else if (errno != EINTR) {
      return errno_error("send");
    }
  }
  return {};
}

result<std::size_t> receive_into(int fd, char* buffer, std::size_t size, const deadline& until) {
  for (;;) {
    const auto got = ::read(fd, buffer, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EAGAIN) {
      OSVM_CHECK(wait_for(fd, POLLIN, until));
    } else if (errno != EINTR) {
      return errno_error("receive");
    }
  }
}

result<bool> receive_some(int fd, std::string& into, const deadline& until) {
  char buffer[16384];
  OSVM_TRY(const auto got, receive_into(fd, buffer, sizeof(buffer), until));
  into.append(buffer, got);
  return got > 0;
}

}  // namespace osvm::cli
