// A file that is there as a whole or not at all.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <string>

namespace osvm::unikernel {

// Beside `path` under another name, mode 0600, until keep(); without that it is removed.
class new_file final {
 public:
  static result<new_file> create(const std::string& path);
  new_file(new_file&& o) noexcept;
  new_file& operator=(new_file&&) = delete;
  ~new_file();

  int fd() const noexcept { return fd_.get(); }
  // Waits for the disk, and takes the place of what is at `path`.
  result<void> keep();

 private:
  new_file(unique_fd fd, std::string temporary, std::string path) noexcept;
  unique_fd fd_;
  std::string temporary_, path_;  // the first is empty once there is nothing to remove
};

}  // namespace osvm::unikernel
