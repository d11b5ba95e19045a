// The embedder's descriptors are shared with other programs, so their flags are never changed: pipes and
// terminals are reopened for an open file description of our own, sockets are used with MSG_DONTWAIT, and
// what can be neither is polled first and read in pieces (description::may_block).
#include "unikernel/files/stdio.hpp"

#include <osvm/unikernel/instance.hpp>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

namespace osvm::unikernel {
namespace {

result<std::shared_ptr<descriptor>> from_fd(int fd) {
  struct stat st;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fstat(fd, &st) != 0) return errno_error("standard descriptor of the guest");
  auto d = std::make_shared<descriptor>();
  d->what = std::make_shared<description>();
  d->what->kind = file_kind::stream;
  d->what->readable = (flags & O_ACCMODE) != O_WRONLY;
  d->what->writable = (flags & O_ACCMODE) != O_RDONLY;
  if (S_ISSOCK(st.st_mode)) {
    d->what->socket_io = true;
  } else if (!S_ISREG(st.st_mode)) {
    const std::string self = "/proc/self/fd/" + std::to_string(fd);
    d->host.reset(::open(self.c_str(), (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    d->what->may_block = !d->host;
  }
  if (!d->host) d->host.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!d->host) return errno_error("duplicating a standard descriptor of the guest");
  return d;
}

result<std::shared_ptr<descriptor>> from_bytes(const std::string& content) {
  auto d = std::make_shared<descriptor>();
  d->what = std::make_shared<description>();
  d->what->kind = file_kind::stream;
  d->what->writable = false;
  d->host.reset(::memfd_create("osvm-input", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!d->host) return errno_error("memory file for the guest's input");
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t n =
        ::pwrite(d->host.get(), content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (n <= 0) return errno_error("filling the guest's input");
    done += static_cast<std::size_t>(n);
  }
  if (::fcntl(d->host.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
    return errno_error("sealing the guest's input");
  return d;
}

result<std::shared_ptr<descriptor>> from_capture(capture_buffer& buffer, std::size_t limit) {
  buffer.limit = limit;
  buffer.room.reset(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!buffer.room) return errno_error("eventfd for captured output");
  auto d = std::make_shared<descriptor>();
  d->what = std::make_shared<description>();
  d->what->kind = file_kind::capture;
  d->what->readable = false;
  d->what->extra = std::shared_ptr<void>(std::shared_ptr<void>(), &buffer);  // owned by the instance
  return d;
}

result<std::shared_ptr<descriptor>> make(instance_state& instance, const stdio& how, int number) {
  switch (how.type) {
    case stdio::kind::fd: return from_fd(how.fd);
    case stdio::kind::bytes:
      if (number != 0) return error(osvm::errc::invalid_argument, "stdio bytes: only input has content");
      return from_bytes(how.content);
    case stdio::kind::capture:
      if (number == 0) return error(osvm::errc::invalid_argument, "stdio capture: only output is captured");
      if (how.limit == 0) return error(osvm::errc::invalid_argument, "stdio capture: limit is zero");
      return from_capture(instance.captured[static_cast<std::size_t>(number)], how.limit);
    case stdio::kind::log:
      if (number == 0) return error(osvm::errc::invalid_argument, "stdio log: only output has lines");
      break;
    case stdio::kind::null: break;
  }
  auto d = std::make_shared<descriptor>();
  d->what = std::make_shared<description>();
  if (how.type == stdio::kind::log) {
    d->what->kind = file_kind::log;
    d->what->readable = false;
  }
  return d;
}

}  // namespace

result<void> set_up_stdio(instance_state& instance, process_state& process, const stdio& input,
                          const stdio& output, const stdio& error) {
  const stdio* const all[] = {&input, &output, &error};
  for (int number = 0; number < 3; ++number) {
    OSVM_TRY(auto d, make(instance, *all[number], number));
    d->what->standard = number;
    if (const int r = process.descriptors.put(number, std::move(d), false); r < 0)
      return errno_error("descriptor budget too small for stdin, stdout and stderr", -r);
  }
  return {};
}

}  // namespace osvm::unikernel
