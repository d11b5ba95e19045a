// Pipes of a template, with what is in them.
#include "unikernel/files/descriptor.hpp"
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/process/process_state.hpp"
#include "unikernel/snapshot/descriptors.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t pipe_charge = 64 << 10;

// What waits in a pipe; it stays there.
result<std::string> look_into(int host, int capacity) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno_error("a pipe");
  const unique_fd out(ends[0]), in(ends[1]);
  (void)::fcntl(in.get(), F_SETPIPE_SZ, capacity);
  const ssize_t copied = ::tee(host, in.get(), static_cast<std::size_t>(capacity), SPLICE_F_NONBLOCK);
  if (copied < 0 && errno != EAGAIN) return errno_error("the content of a pipe");
  std::string content(static_cast<std::size_t>(std::max<ssize_t>(copied, 0)), '\0');
  std::size_t got = 0;
  while (got < content.size()) {
    const ssize_t n = ::read(out.get(), content.data() + got, content.size() - got);
    if (n <= 0) return cannot_snapshot("a pipe whose content cannot be read");
    got += static_cast<std::size_t>(n);
  }
  int waiting = 0;
  if (::ioctl(host, FIONREAD, &waiting) == 0 && static_cast<std::size_t>(waiting) != got)
    return cannot_snapshot("a pipe whose content cannot be read");
  return content;
}

result<made_pair> make_pipe(call_context& ctx, const saved_pipe& saved) {
  auto charge = memory_charge::take(ctx, pipe_charge);
  if (!charge) return error(osvm::errc::limit_exceeded, "the memory budget does not hold a clone's pipe");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno_error("a pipe");
  made_pair both;
  for (std::size_t i = 0; i < 2; ++i) {
    auto& d = both.ends[i] = std::make_shared<descriptor>();
    d->host.reset(ends[i]);
    d->what = std::make_shared<description>();
    d->what->kind = file_kind::pipe;
    d->what->extra = charge;
  }
  if (saved.capacity > 0) (void)::fcntl(ends[0], F_SETPIPE_SZ, saved.capacity);
  return both;
}

}  // namespace

result<saved_pipe> save_pipe(const descriptor& d) {
  saved_pipe out;
  struct stat st {};
  if (::fstat(d.host.get(), &st) != 0) return errno_error("a pipe");
  out.pipe = st.st_ino;
  out.writes = d.what->writable;
  out.capacity = ::fcntl(d.host.get(), F_GETPIPE_SZ);
  if (out.capacity <= 0) return errno_error("a pipe");
  if (!out.writes) {
    OSVM_TRY(out.content, look_into(d.host.get(), out.capacity));
  }
  return out;
}

result<std::shared_ptr<descriptor>> restore_pipe(call_context& ctx, const saved_pipe& saved,
                                                 saved_ends& ends) {
  made_pair& both = ends.pipes[saved.pipe];
  if (!both.ends[0]) {
    OSVM_TRY(both, make_pipe(ctx, saved));
  }
  if (!saved.content.empty()) {
    const ssize_t n = ::write(both.ends[1]->host.get(), saved.content.data(), saved.content.size());
    if (n != static_cast<ssize_t>(saved.content.size())) return errno_error("the content of a pipe");
  }
  return both.ends[saved.writes ? 1 : 0];
}

}  // namespace osvm::unikernel
