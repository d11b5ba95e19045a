#include "unikernel/files/locks.hpp"

#include "unikernel/files/attributes.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace osvm::unikernel {
namespace {

// Sealed content is one memory file for all instances of an image: a lock there would reach the others.
bool has_effect(const descriptor& d) {
  return d.what->kind == file_kind::regular && d.what->changeable && !d.what->sealed && d.host;
}

// The range from the file's start, as the carrier's own position is not the guest's.
std::int64_t make_absolute(const descriptor& d, struct flock& l) {
  off_t base = 0;
  struct stat st {};
  if (l.l_whence == SEEK_CUR) base = ::lseek(d.host.get(), 0, SEEK_CUR);
  if (l.l_whence == SEEK_END) {
    if (::fstat(d.host.get(), &st) != 0) return -errno;
    base = st.st_size;
  }
  if (l.l_whence != SEEK_SET && l.l_whence != SEEK_CUR && l.l_whence != SEEK_END) return -EINVAL;
  if (__builtin_add_overflow(l.l_start, base, &l.l_start)) return -EOVERFLOW;
  l.l_whence = SEEK_SET;
  return l.l_start < 0 ? -EINVAL : 0;
}

std::int64_t check(const descriptor& d, const struct flock& l) {
  if (l.l_type != F_RDLCK && l.l_type != F_WRLCK && l.l_type != F_UNLCK) return -EINVAL;
  if ((l.l_type == F_RDLCK && !d.what->readable) || (l.l_type == F_WRLCK && !d.what->writable)) return -EBADF;
  return 0;
}

// Repeats a step that another owner's lock makes fail, at growing intervals: the host has no descriptor to
// wait for.
template <class Step>
std::int64_t until_free(call_context& ctx, bool blocking, Step step) {
  using namespace std::chrono_literals;
  for (auto pause = 1ms;; pause = std::min(pause * 2, 32ms)) {
    const std::int64_t r = step();
    if ((r != -EAGAIN && r != -EACCES) || !blocking) return r;
    if (ctx.thread.wait.sleep(wait_clock::now() + pause) == wait_result::interrupted) return -EINTR;
  }
}

}  // namespace

std::shared_ptr<unique_fd> lock_table::carrier(const unique_fd& host, bool writable) {
  struct stat st {};
  if (::fstat(host.get(), &st) != 0) return nullptr;
  const std::scoped_lock lock(lock_);
  auto& slot = carriers_[{st.st_dev, st.st_ino}];
  if (slot) return slot;
  // Writable where the mount is, whatever the first lock asks for: a later one on the same file may ask for
  // more.
  auto fd = std::make_shared<unique_fd>(::open(self_path(host).c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!*fd && !writable) fd->reset(::open(self_path(host).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!*fd) return nullptr;
  used_ = true;
  return slot = std::move(fd);
}

void lock_table::closed(const unique_fd& host) noexcept {
  struct stat st {};
  if (!used_ || !host || ::fstat(host.get(), &st) != 0) return;
  const std::scoped_lock lock(lock_);
  carriers_.erase({st.st_dev, st.st_ino});
}

bool is_lock_command(int command) noexcept {
  return command == F_GETLK || command == F_SETLK || command == F_SETLKW || command == F_OFD_GETLK ||
         command == F_OFD_SETLK || command == F_OFD_SETLKW;
}

std::int64_t lock_by_fcntl(call_context& ctx, descriptor& d, int command, std::uint64_t arg) {
  struct flock l {};
  if (!load(ctx, arg, l)) return -EFAULT;
  if (d.what->path_only) return -EBADF;
  const bool get = command == F_GETLK || command == F_OFD_GETLK;
  const bool own = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
  if (own && l.l_pid != 0) return -EINVAL;
  if (!get) {
    if (const auto r = check(d, l); r < 0) return r;
  }
  if (!has_effect(d)) {
    l.l_type = F_UNLCK;
    return !get || store(ctx, arg, l) ? 0 : -EFAULT;
  }
  struct flock absolute = l;
  if (const auto r = make_absolute(d, absolute); r < 0) return r;
  absolute.l_pid = 0;
  const auto carrier = own ? nullptr : ctx.process.locks.carrier(d.host, d.what->writable);
  if (!own && !carrier) return no_descriptor();
  const int fd = own ? d.host.get() : carrier->get();
  if (get) {
    if (::fcntl(fd, F_OFD_GETLK, &absolute) != 0) return -errno;
    if (absolute.l_type == F_UNLCK) {
      l.l_type = F_UNLCK;
      return store(ctx, arg, l) ? 0 : -EFAULT;
    }
    return store(ctx, arg, absolute) ? 0 : -EFAULT;
  }
  const bool blocking = command == F_SETLKW || command == F_OFD_SETLKW;
  return until_free(ctx, blocking, [&] { return host_result(::fcntl(fd, F_OFD_SETLK, &absolute)); });
}

}  // namespace osvm::unikernel
