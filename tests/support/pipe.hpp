// A pipe whose read end a test drains: what a sink or a child wrote.
#pragma once

#include <osvm/core/unique_fd.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>

namespace osvm::test {

struct pipe_pair {
  unique_fd reader;
  unique_fd writer;

  explicit pipe_pair(int flags = 0) {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC | flags) != 0) throw std::runtime_error("pipe2");
    reader.reset(fds[0]);
    writer.reset(fds[1]);
  }
  // Closes the write end and returns everything up to the end.
  std::string drain() {
    writer.reset();
    return available();
  }
  // What is there until the end or, on a non-blocking pipe, until it is empty.
  std::string available() {
    std::string out;
    char buffer[4096];
    for (;;) {
      const ssize_t n = ::read(reader.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return out;
      out.append(buffer, static_cast<std::size_t>(n));
    }
  }
};

}  // namespace osvm::test
