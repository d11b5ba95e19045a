// Bytes from one descriptor to another: sendfile, copy_file_range; and the calls that only hint at what to
// keep.
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/files/transfer.hpp"
#include "unikernel/sockets/messages.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <vector>

namespace osvm::unikernel {
namespace {

constexpr std::size_t piece_bytes = 64 << 10;
constexpr std::size_t may_block_bytes = 4096;  // what a pipe that polls writable takes without waiting

bool is_file(const descriptor& d) {
  return d.host && (d.what->kind == file_kind::regular || d.what->kind == file_kind::memory);
}

std::int64_t checked_write(ssize_t r) noexcept {
  if (r >= 0) return r;
  const int e = errno;
  if (e == EPIPE) eat_signal(SIGPIPE);
  if (e == EFBIG) eat_signal(SIGXFSZ);
  return -e;
}

std::int64_t write_file(call_context& ctx, descriptor& out, const char* data, std::size_t size,
                        std::int64_t offset) {
  if (out.what->counted && !ctx.instance.charge_written(size)) return -ENOSPC;
  const bool memory_file = out.what->kind == file_kind::memory;
  if (memory_file && !reserve_memory_file(ctx, out, size)) return -ENOSPC;
  const iovec v{const_cast<char*>(data), size};
  const std::int64_t r = within_quota(ctx, out, offset, static_cast<std::int64_t>(size), [&] {
    return checked_write(::pwritev2(out.host.get(), &v, 1, offset, out.what->append ? RWF_APPEND : 0));
  });
  if (memory_file) (void)charge_memory_file(ctx, out);
  if (out.what->counted && r < static_cast<std::int64_t>(size)) {
    ctx.instance.refund_written(size - static_cast<std::size_t>(std::max<std::int64_t>(r, 0)));
  }
  return r;
}

std::int64_t append_captured(capture_buffer& buffer, const char* data, std::size_t size) {
  const std::scoped_lock lock(buffer.lock);
  const std::size_t n = std::min(buffer.space(), size);
  if (n == 0) return -EAGAIN;
  buffer.data.append(data, n);
  return static_cast<std::int64_t>(n);
}

// One step that does not block.
std::int64_t write_step(call_context& ctx, descriptor& out, const char* data, std::size_t size) {
  switch (out.what->kind) {
    case file_kind::null:
    case file_kind::device: return static_cast<std::int64_t>(size);
    case file_kind::capture:
      return append_captured(*static_cast<capture_buffer*>(out.what->extra.get()), data, size);
    case file_kind::regular:
    case file_kind::memory: return write_file(ctx, out, data, size, current_offset);
    default: break;
  }
  if (out.what->socket_io || out.what->kind == file_kind::socket) {
    const std::int64_t r = checked_write(::send(out.host.get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL));
    count_sent(ctx, out, r);
    return r;
  }
  if (!out.what->may_block) return checked_write(::write(out.host.get(), data, size));
  pollfd p{out.host.get(), POLLOUT, 0};
  return ::poll(&p, 1, 0) > 0 ? checked_write(::write(out.host.get(), data, std::min(size, may_block_bytes)))
                              : -EAGAIN;
}

std::int64_t write_some(call_context& ctx, descriptor& out, const char* data, std::size_t size) {
  const bool captured = out.what->kind == file_kind::capture;
  const int fd = captured ? static_cast<capture_buffer*>(out.what->extra.get())->room.get() : out.host.get();
  return until_done(ctx, fd, captured ? POLLIN : POLLOUT, !out.what->nonblocking, std::nullopt,
                    [&] { return write_step(ctx, out, data, size); });
}

// Copies until `count`, the end of the input, or an error. `offset` < 0 moves the input's own position.
std::int64_t copy(call_context& ctx, descriptor& in, descriptor& out, std::int64_t& offset,
                  std::int64_t out_offset, std::uint64_t count) {
  std::vector<char> buffer(std::min<std::uint64_t>(count, piece_bytes));
  std::int64_t position = offset < 0 ? ::lseek(in.host.get(), 0, SEEK_CUR) : offset;
  if (position < 0) return -ESPIPE;
  std::uint64_t done = 0;
  std::int64_t failed = 0;
  while (done < count && failed == 0 && !ctx.thread.wait.interrupted()) {
    const ssize_t got =
        ::pread(in.host.get(), buffer.data(), std::min<std::uint64_t>(buffer.size(), count - done), position);
    if (got < 0) failed = -errno;
    if (got <= 0) break;
    for (ssize_t sent = 0; sent < got;) {
      const auto left = static_cast<std::size_t>(got - sent);
      const std::int64_t r = out_offset < 0 ? write_some(ctx, out, buffer.data() + sent, left)
                                            : write_file(ctx, out, buffer.data() + sent, left,
                                                         out_offset + static_cast<std::int64_t>(done));
      if (r <= 0) {
        failed = r;
        break;
      }
      sent += r;
      position += r;
      done += static_cast<std::uint64_t>(r);
    }
    if (failed == 0 && static_cast<std::size_t>(got) < buffer.size() && done < count)
      continue;  // the file may have grown
  }
  if (offset < 0) {
    (void)::lseek(in.host.get(), position, SEEK_SET);
  } else {
    offset = position;
  }
  return done ? static_cast<std::int64_t>(done) : failed;
}

std::int64_t sys_sendfile(call_context& ctx) {
  const auto out = descriptor_arg(ctx, 0), in = descriptor_arg(ctx, 1);
  if (!out || !in || out->what->path_only || in->what->path_only) return -EBADF;
  if (!out->what->writable || !in->what->readable) return -EBADF;
  if (!is_file(*in) || out->what->append || out->what->kind == file_kind::directory) return -EINVAL;
  if (!out->what->connected) return -EPIPE;
  std::int64_t offset = -1;
  if (ctx.args[2]) {
    if (!load(ctx, ctx.args[2], offset)) return -EFAULT;
    if (offset < 0) return -EINVAL;
  }
  const std::int64_t r = copy(ctx, *in, *out, offset, -1, std::min<std::uint64_t>(ctx.args[3], max_transfer));
  if (ctx.args[2] && r >= 0 && !store(ctx, ctx.args[2], offset)) return -EFAULT;
  return r;
}

std::int64_t sys_copy_file_range(call_context& ctx) {
  const auto in = descriptor_arg(ctx, 0), out = descriptor_arg(ctx, 2);
  if (!in || !out || in->what->path_only || out->what->path_only) return -EBADF;
  if (in->what->kind == file_kind::directory || out->what->kind == file_kind::directory) return -EISDIR;
  if (!in->what->readable || !out->what->writable || out->what->append) return -EBADF;
  if (!is_file(*in) || !is_file(*out) || ctx.args[5] != 0) return -EINVAL;
  std::int64_t from = -1, to = -1;
  if (ctx.args[1] && !load(ctx, ctx.args[1], from)) return -EFAULT;
  if (ctx.args[3] && !load(ctx, ctx.args[3], to)) return -EFAULT;
  if ((ctx.args[1] && from < 0) || (ctx.args[3] && to < 0)) return -EINVAL;
  const std::int64_t r = copy(ctx, *in, *out, from, to, std::min<std::uint64_t>(ctx.args[4], max_transfer));
  if (r < 0) return r;
  if (ctx.args[1] && !store(ctx, ctx.args[1], from)) return -EFAULT;
  if (ctx.args[3] && !store(ctx, ctx.args[3], to + r)) return -EFAULT;
  return r;
}

std::int64_t sys_sync(call_context&) {
  return 0;
}  // what the guest wrote is the host's to keep; fsync() waits for it
std::int64_t on_descriptor(call_context& ctx) {
  return descriptor_arg(ctx) ? 0 : -EBADF;
}

constexpr syscall_entry copies_entries[] = {
    {40, "sendfile", call<sys_sendfile>, capability::always, "ffPl"},
    {162, "sync", call<sys_sync>},
    {187, "readahead", call<on_descriptor>, capability::always, "fll"},
    {277, "sync_file_range", call<on_descriptor>, capability::always, "fllx"},
    {306, "syncfs", call<on_descriptor>, capability::always, "f"},
    {326, "copy_file_range", call<sys_copy_file_range>, capability::always, "fPfPlx"},
};

}  // namespace

extern const syscall_family copies_family;
const syscall_family copies_family{"copies", copies_entries};

}  // namespace osvm::unikernel
