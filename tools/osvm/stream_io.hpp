// Blocking transfers on non-blocking stream sockets, with a deadline.
#pragma once

#include <osvm/core/error.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace osvm::cli {

class deadline {
 public:
  explicit deadline(std::chrono::milliseconds from_now) : at_(std::chrono::steady_clock::now() + from_now) {}
  int milliseconds_left() const;

 private:
  std::chrono::steady_clock::time_point at_;
};

// Errors of all: errc::timed_out, errno.
result<void> wait_readable(int fd, const deadline& until);
result<void> send_all(int fd, std::string_view data, const deadline& until);
// Appends what has come, at least one byte; false at the end of the stream.
result<bool> receive_some(int fd, std::string& into, const deadline& until);
// Receives into `buffer` once: the number of bytes, 0 at the end of the stream.
result<std::size_t> receive_into(int fd, char* buffer, std::size_t size, const deadline& until);

}  // namespace osvm::cli
