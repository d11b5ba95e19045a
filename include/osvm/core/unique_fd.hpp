// Sole owner of one file descriptor. Move-only; not thread-safe beyond what a plain int is.
#pragma once

#include <utility>

namespace osvm {

class unique_fd final {
 public:
  unique_fd() noexcept = default;
  // Takes ownership of `fd` (negative: owns nothing).
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~unique_fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  // Gives up ownership without closing.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  // Closes what is owned (errors of close() are ignored: the descriptor is gone either way), then owns `fd`.
  void reset(int fd = -1) noexcept;
  // A duplicate with O_CLOEXEC; empty with errno set when the host has no descriptor left.
  [[nodiscard]] unique_fd duplicate() const noexcept;

 private:
  int fd_ = -1;
};

}  // namespace osvm
