#include <osvm/core/unique_fd.hpp>

#include <fcntl.h>
#include <unistd.h>

namespace osvm {

void unique_fd::reset(int fd) noexcept {
  if (const int old = std::exchange(fd_, fd); old >= 0) ::close(old);
}

unique_fd unique_fd::duplicate() const noexcept {
  return unique_fd(::fcntl(fd_, F_DUPFD_CLOEXEC, 0));
}

}  // namespace osvm
