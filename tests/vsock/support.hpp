// What the vsock tests share: a private folder, blocking clients with a bound, a count of open descriptors.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <osvm/core/unique_fd.hpp>
#include <osvm/vsock/connect.hpp>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

namespace osvm::vsock::test {

class folder {
 public:
  folder() {
    char name[] = "/tmp/osvm-vsock-XXXXXX";
    if (::mkdtemp(name) != nullptr) path_ = name;
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { std::filesystem::remove_all(path_); }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline unique_fd raw_connect(const std::string& path) {
  auto fd = connect_endpoint(unix_endpoint{path});
  EXPECT_TRUE(fd) << fd.error().to_string();
  return fd ? std::move(*fd) : unique_fd();
}

inline void send_all(int fd, std::string_view text) {
  ASSERT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

inline bool readable_within(int fd, int milliseconds) {
  pollfd item{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&item, 1, milliseconds) == 1;
}

// Reads until `size` bytes, the end of the stream, or five seconds without progress ("<timeout>" is
// appended).
inline std::string read_up_to(int fd, std::size_t size) {
  std::string out;
  while (out.size() < size) {
    if (!readable_within(fd, 5000)) return out + "<timeout>";
    char buffer[256];
    const auto got = ::recv(fd, buffer, std::min(sizeof(buffer), size - out.size()), 0);
    if (got <= 0) return out;
    out.append(buffer, static_cast<std::size_t>(got));
  }
  return out;
}

inline std::string read_line(int fd) {
  std::string out;
  while (!out.ends_with('\n')) {
    const auto next = read_up_to(fd, 1);
    if (next.size() != 1) return out + next;
    out += next;
  }
  return out;
}

// An event loop opens its own descriptors (epoll, timer, wake-up) at first use; this makes it do so now, so
// that they do not look like a leak.
inline void warm_up(const runtime& loop) {
  boost::asio::steady_timer(loop.get_executor());
}

inline std::size_t open_descriptors() {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++n;
  return n;
}

// A completion runs before its operation's own state (a socket, a descriptor of a timer) is torn down on the
// loop's thread: what must be closed is closed soon after, not at once. Waits up to five seconds; the caller
// compares the number that is returned.
inline std::size_t open_descriptors_settled(std::size_t expected) {
  for (int i = 0; i < 500 && open_descriptors() != expected; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return open_descriptors();
}

}  // namespace osvm::vsock::test
