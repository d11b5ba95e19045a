#include "unikernel/snapshot/disk/new_file.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace osvm::unikernel {

new_file::new_file(unique_fd fd, std::string temporary, std::string path) noexcept
    : fd_(std::move(fd)), temporary_(std::move(temporary)), path_(std::move(path)) {}

new_file::new_file(new_file&& o) noexcept
    : fd_(std::move(o.fd_)), temporary_(std::exchange(o.temporary_, {})), path_(std::move(o.path_)) {}

new_file::~new_file() {
  if (!temporary_.empty()) (void)::unlink(temporary_.c_str());
}

result<new_file> new_file::create(const std::string& path) {
  std::string temporary = path + ".XXXXXX";
  unique_fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return errno_error(path);
  return new_file(std::move(fd), std::move(temporary), path);
}

result<void> new_file::keep() {
  if (::fdatasync(fd_.get()) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0)
    return errno_error(path_);
  temporary_.clear();
  return {};
}

}  // namespace osvm::unikernel
