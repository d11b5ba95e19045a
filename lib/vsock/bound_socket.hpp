// A listening unix socket and the file that names it.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <sys/types.h>

#include <string>

namespace osvm::vsock {

// Owner of both. Move-only, not thread-safe; stop() may be called from any thread.
class bound_socket final {
 public:
  // Listens at `path` with mode 0600. Errors as hybrid_listener::open.
  static result<bound_socket> open(const std::string& path);

  bound_socket(bound_socket&&) noexcept = default;
  bound_socket& operator=(bound_socket&&) = delete;
  ~bound_socket() { unlink(); }

  int fd() const noexcept { return fd_.get(); }
  const std::string& path() const noexcept { return path_; }
  // Refuses clients from now on and removes the file, if it is still this socket's. Keeps the descriptor.
  void stop() noexcept;

 private:
  bound_socket() = default;
  void unlink() noexcept;

  unique_fd fd_;
  unique_fd folder_;
  std::string path_;
  std::string name_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace osvm::vsock
