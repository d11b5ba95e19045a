// Bytes move between guest pages and host descriptors without a copy of ours in between. Two exceptions: a
// host descriptor that may block (bounced in pieces that a ready pipe takes without waiting) and event
// counters (8 bytes).
#include "unikernel/files/transfer.hpp"

#include "unikernel/files/call_device.hpp"

#include "unikernel/events/channel.hpp"
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/signals/signal_fd.hpp"
#include "unikernel/sockets/messages.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t step_bytes = std::uint64_t{1} << 20;  // guest memory looked up for one host call
constexpr std::size_t bounce_bytes = 4096;                    // PIPE_BUF: a writable pipe takes it whole

bool is_file(const description& w) {
  return w.kind == file_kind::regular || w.kind == file_kind::memory;
}
bool is_counter(const description& w) {
  return w.kind == file_kind::eventfd || w.kind == file_kind::timerfd;
}

std::uint64_t total(std::span<const guest_range> ranges) {
  std::uint64_t sum = 0;
  for (const auto& r : ranges) sum += r.size;
  return sum;
}

std::int64_t checked(ssize_t r) noexcept {
  if (r >= 0) return r;
  const int e = errno;
  if (e == EPIPE) eat_signal(SIGPIPE);
  if (e == EFBIG) eat_signal(SIGXFSZ);
  return e == EWOULDBLOCK ? -EAGAIN : -e;
}

std::int64_t host_in(const descriptor& d, std::span<iovec> v, std::int64_t offset) {
  if (d.what->socket_io) {
    msghdr m{};
    m.msg_iov = v.data();
    m.msg_iovlen = v.size();
    return checked(::recvmsg(d.host.get(), &m, MSG_DONTWAIT));
  }
  return checked(::preadv2(d.host.get(), v.data(), static_cast<int>(v.size()), offset, 0));
}

std::int64_t host_out(const descriptor& d, std::span<iovec> v, std::int64_t offset) {
  if (d.what->socket_io) {
    msghdr m{};
    m.msg_iov = v.data();
    m.msg_iovlen = v.size();
    return checked(::sendmsg(d.host.get(), &m, MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  const int flags = d.what->append ? RWF_APPEND : 0;
  return checked(::pwritev2(d.host.get(), v.data(), static_cast<int>(v.size()), offset, flags));
}

bool ready_now(int fd, short events) {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, 0) > 0;
}

// One non-blocking step for a host descriptor that may block: nobody's memory lock is held around the host
// call.
std::int64_t bounce_in(call_context& ctx, descriptor& d, std::span<const guest_range> to) {
  if (!ready_now(d.host.get(), POLLIN)) return -EAGAIN;
  char buffer[bounce_bytes];
  const std::size_t want = std::min<std::uint64_t>(total(to), sizeof buffer);
  std::vector<iovec> v;
  {
    memory_access memory(ctx.memory);
    const std::int64_t covered = gather(memory, to, 0, want, PROT_WRITE, v);
    if (covered < 0) return covered;
  }
  const std::int64_t r = checked(::read(d.host.get(), buffer, want));
  if (r <= 0) return r;
  memory_access memory(ctx.memory);
  std::size_t done = 0;
  for (const auto& range : to) {
    const std::size_t n = std::min<std::uint64_t>(range.size, static_cast<std::size_t>(r) - done);
    if (n != 0 && !memory.write(range.address, buffer + done, n))
      return done != 0 ? static_cast<std::int64_t>(done) : -EFAULT;
    done += n;
  }
  return r;
}

std::int64_t bounce_out(call_context& ctx, descriptor& d, std::span<const guest_range> from,
                        std::uint64_t skip) {
  if (!ready_now(d.host.get(), POLLOUT)) return -EAGAIN;
  char buffer[bounce_bytes];
  std::size_t have = 0;
  {
    memory_access memory(ctx.memory);
    std::vector<iovec> v;
    const std::int64_t covered = gather(memory, from, skip, sizeof buffer, PROT_READ, v);
    if (covered < 0) return covered;
    for (const auto& piece : v) {
      if (!memory.copy_out(buffer + have, piece.iov_base, piece.iov_len)) return -EFAULT;
      have += piece.iov_len;
    }
  }
  return checked(::write(d.host.get(), buffer, have));
}

// eventfd and timerfd move one 64-bit number, which must not be torn over two host pages.
std::int64_t counter_in(call_context& ctx, descriptor& d, std::span<const guest_range> to) {
  if (total(to) < sizeof(std::uint64_t)) return -EINVAL;
  {
    memory_access memory(ctx.memory);
    std::vector<iovec> v;
    if (gather(memory, to, 0, sizeof(std::uint64_t), PROT_WRITE, v) < 8) return -EFAULT;
  }
  std::uint64_t value = 0;
  const std::int64_t r = checked(::read(d.host.get(), &value, sizeof value));
  if (r < 0) return r;
  memory_access memory(ctx.memory);
  std::vector<iovec> v;
  if (gather(memory, to, 0, sizeof value, PROT_WRITE, v) < 8) return -EFAULT;
  const char* bytes = reinterpret_cast<const char*>(&value);
  for (const auto& piece : v) {
    if (!memory.copy_in(piece.iov_base, bytes, piece.iov_len)) return -EFAULT;
    bytes += piece.iov_len;
  }
  return sizeof value;
}

std::int64_t counter_out(call_context& ctx, descriptor& d, std::span<const guest_range> from) {
  if (total(from) < sizeof(std::uint64_t)) return -EINVAL;
  std::uint64_t value = 0;
  {
    memory_access memory(ctx.memory);
    std::vector<iovec> v;
    if (gather(memory, from, 0, sizeof value, PROT_READ, v) < 8) return -EFAULT;
    char* bytes = reinterpret_cast<char*>(&value);
    for (const auto& piece : v) {
      if (!memory.copy_out(bytes, piece.iov_base, piece.iov_len)) return -EFAULT;
      bytes += piece.iov_len;
    }
  }
  return checked(::write(d.host.get(), &value, sizeof value));
}

std::int64_t capture_out(call_context& ctx, capture_buffer& buffer, std::span<const guest_range> from,
                         std::uint64_t skip) {
  memory_access memory(ctx.memory);
  std::vector<iovec> v;
  const std::int64_t covered = gather(memory, from, skip, step_bytes, PROT_READ, v);
  if (covered < 0) return covered;
  std::lock_guard guard(buffer.lock);
  std::size_t space = buffer.space();
  if (space == 0) return covered == 0 ? 0 : -EAGAIN;
  std::int64_t done = 0;
  for (const auto& piece : v) {
    const std::size_t n = std::min(space, piece.iov_len);
    const std::size_t before = buffer.data.size();
    buffer.data.resize(before + n);
    if (!memory.copy_out(buffer.data.data() + before, piece.iov_base, n)) {
      buffer.data.resize(before);
      return done != 0 ? done : -EFAULT;
    }
    done += static_cast<std::int64_t>(n);
    space -= n;
  }
  return done;
}

std::int64_t log_out(call_context& ctx, const descriptor& d, std::span<const guest_range> from) {
  memory_access memory(ctx.memory);
  std::vector<iovec> v;
  const std::int64_t covered = gather(memory, from, 0, step_bytes, PROT_READ, v);
  if (covered < 0 || !ctx.instance.events) return covered;
  std::string text;
  for (const auto& piece : v) {
    text.resize(piece.iov_len);
    if (!memory.copy_out(text.data(), piece.iov_base, piece.iov_len)) return -EFAULT;
    ctx.instance.events->output(d.what->standard, text);
  }
  return covered;
}

// `covered` becomes the bytes that the host was asked for, so that a caller can tell a short transfer.
std::int64_t direct_in(call_context& ctx, descriptor& d, std::span<const guest_range> to, std::uint64_t skip,
                       std::int64_t offset, std::int64_t& covered) {
  memory_access memory(ctx.memory);
  std::vector<iovec> v;
  covered = gather(memory, to, skip, step_bytes, PROT_WRITE, v);
  if (covered < 0) return covered;
  return host_in(d, v, offset);
}

// RLIMIT_FSIZE: how much a write at `offset` may move at most; 0: nothing.
std::uint64_t file_room(const call_context& ctx, const descriptor& d, std::int64_t offset) {
  const rlim_t limit = ctx.process.limits.file_size();
  if (limit == RLIM_INFINITY || !is_file(*d.what)) return step_bytes;
  const std::int64_t at = d.what->append ? file_size(d.host)
                          : offset >= 0  ? offset
                                         : ::lseek(d.host.get(), 0, SEEK_CUR);
  const auto from = static_cast<std::uint64_t>(std::max<std::int64_t>(at, 0));
  return from >= limit ? 0 : std::min<std::uint64_t>(step_bytes, limit - from);
}

std::int64_t over_file_limit(call_context& ctx) {
  siginfo_t info{};
  info.si_signo = SIGXFSZ;
  info.si_code = SI_KERNEL;
  (void)ctx.process.signals.send_to(ctx.thread.tid, info);
  return -EFBIG;
}

std::int64_t direct_out(call_context& ctx, descriptor& d, std::span<const guest_range> from,
                        std::uint64_t skip, std::int64_t offset, std::int64_t& covered) {
  const std::uint64_t room = file_room(ctx, d, offset);
  if (room == 0 && total(from) != 0) return over_file_limit(ctx);
  memory_access memory(ctx.memory);
  std::vector<iovec> v;
  covered = gather(memory, from, skip, room, PROT_READ, v);
  if (covered < 0) return covered;
  const auto charged = static_cast<std::uint64_t>(covered);
  if (d.what->counted && !ctx.instance.charge_written(charged)) return -ENOSPC;
  const std::int64_t r = within_quota(ctx, d, offset, covered, [&] { return host_out(d, v, offset); });
  if (d.what->counted && r < covered)
    ctx.instance.refund_written(charged - static_cast<std::uint64_t>(r < 0 ? 0 : r));
  return r;
}

// Files have no "would block": a transfer goes on until it is complete, comes up short, or the thread is
// stopped.
template <class Step>
std::int64_t file_loop(call_context& ctx, std::uint64_t size, std::int64_t offset, Step step) {
  std::uint64_t done = 0;
  do {
    const std::int64_t at = offset < 0 ? offset : offset + static_cast<std::int64_t>(done);
    std::int64_t covered = 0;
    const std::int64_t r = step(done, at, covered);
    if (r < 0) return done != 0 ? static_cast<std::int64_t>(done) : r;
    done += static_cast<std::uint64_t>(r);
    if (r == 0 || r < covered || ctx.thread.wait.ended()) break;
  } while (done < size);
  return static_cast<std::int64_t>(done);
}

std::int64_t out_step(call_context& ctx, descriptor& d, std::span<const guest_range> from,
                      std::uint64_t skip) {
  if (d.what->kind == file_kind::capture)
    return capture_out(ctx, *static_cast<capture_buffer*>(d.what->extra.get()), from, skip);
  if (is_counter(*d.what)) return counter_out(ctx, d, from);
  if (d.what->may_block) return bounce_out(ctx, d, from, skip);
  std::int64_t covered = 0;
  return direct_out(ctx, d, from, skip, current_offset, covered);
}

// What becomes ready when output is possible: of a capture buffer, its eventfd becomes readable.
std::pair<int, short> output_event(const descriptor& d) {
  if (d.what->kind != file_kind::capture) return {d.host.get(), POLLOUT};
  return {static_cast<capture_buffer*>(d.what->extra.get())->room.get(), POLLIN};
}

// read() and write() of a socket are recv() and send() without flags.
std::int64_t receive_on_socket(call_context& ctx, descriptor& d, std::span<const guest_range> to) {
  if (total(to) == 0) return 0;
  socket_message m;
  m.ranges = to;
  return receive_message(ctx, d, m);
}
std::int64_t send_on_socket(call_context& ctx, descriptor& d, std::span<const guest_range> from) {
  socket_message m;
  m.ranges = from;
  return send_message(ctx, d, m);
}

deadline after(std::int64_t timeout_ns) {
  if (timeout_ns == 0) return std::nullopt;
  return wait_clock::now() + std::chrono::nanoseconds(timeout_ns);
}

}  // namespace

std::int64_t file_size(const unique_fd& host) noexcept {
  struct stat st {};
  return host && ::fstat(host.get(), &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;
}

void eat_signal(int signal) noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  const timespec now{};
  while (::sigtimedwait(&set, nullptr, &now) < 0 && errno == EINTR) {
  }
}

std::int64_t copy_ranges(call_context& ctx, std::uint64_t va, std::uint64_t count,
                         std::vector<guest_range>& out) {
  if (count > max_ranges) return -EINVAL;
  out.resize(count);
  if (count != 0 && !memory_access(ctx.memory).read(va, out.data(), count * sizeof(guest_range)))
    return -EFAULT;
  std::uint64_t left = max_transfer;
  for (auto& r : out) {
    if (static_cast<std::int64_t>(r.size) < 0) return -EINVAL;
    r.size = std::min(r.size, left);
    left -= r.size;
  }
  return 0;
}

std::int64_t gather(memory_access& memory, std::span<const guest_range> ranges, std::uint64_t skip,
                    std::uint64_t limit, int right, std::vector<iovec>& out) {
  std::uint64_t covered = 0;
  bool asked = false;
  for (const auto& r : ranges) {
    if (skip >= r.size) {
      skip -= r.size;
      continue;
    }
    const std::uint64_t want = std::min(r.size - skip, limit - covered);
    if (want == 0) break;
    asked = true;
    std::uint64_t address = 0;
    if (__builtin_add_overflow(r.address, skip, &address)) break;
    const std::uint64_t got = memory.spans(address, want, right, out);
    covered += got;
    skip = 0;
    if (got < want || out.size() >= max_ranges) break;
  }
  while (out.size() > max_ranges) {
    covered -= out.back().iov_len;
    out.pop_back();
  }
  return asked && covered == 0 ? -EFAULT : static_cast<std::int64_t>(covered);
}

std::int64_t transfer_in(call_context& ctx, descriptor& d, std::span<const guest_range> to,
                         std::int64_t offset) {
  if (!d.what->readable || d.what->path_only) return -EBADF;
  const file_kind kind = d.what->kind;
  if (kind == file_kind::socket) return offset >= 0 ? -ESPIPE : receive_on_socket(ctx, d, to);
  if (kind == file_kind::null) return 0;
  if (kind == file_kind::capture || kind == file_kind::log) return -EBADF;
  if (kind == file_kind::directory) return -EISDIR;
  if (kind == file_kind::calls) return offset >= 0 ? -ESPIPE : read_call(ctx, d, to);
  if (kind == file_kind::signals) return offset >= 0 ? -ESPIPE : read_signals(ctx, d, to);
  const std::uint64_t size = total(to);
  if (is_file(*d.what) || kind == file_kind::device || offset >= 0) {
    return file_loop(ctx, size, offset, [&](std::uint64_t done, std::int64_t at, std::int64_t& covered) {
      return direct_in(ctx, d, to, done, at, covered);
    });
  }
  if (size == 0 && !is_counter(*d.what)) return 0;
  return until_done(ctx, d.host.get(), POLLIN, !d.what->nonblocking, after(d.what->receive_timeout_ns), [&] {
    if (is_counter(*d.what)) return counter_in(ctx, d, to);
    if (d.what->may_block) return bounce_in(ctx, d, to);
    std::int64_t covered = 0;
    return direct_in(ctx, d, to, 0, current_offset, covered);
  });
}

std::int64_t transfer_out(call_context& ctx, descriptor& d, std::span<const guest_range> from,
                          std::int64_t offset) {
  if (!d.what->writable || d.what->path_only) return -EBADF;
  const file_kind kind = d.what->kind;
  if (kind == file_kind::timerfd) return -EINVAL;
  if (kind == file_kind::socket) return offset >= 0 ? -ESPIPE : send_on_socket(ctx, d, from);
  if (kind == file_kind::calls) return offset >= 0 ? -ESPIPE : write_answer(ctx, from);
  const std::uint64_t size = total(from);
  if (kind == file_kind::device && d.what->guest_path == "/dev/full" && size != 0) return -ENOSPC;
  if (kind == file_kind::null || kind == file_kind::device) return static_cast<std::int64_t>(size);
  if (kind == file_kind::log) return log_out(ctx, d, from);
  if (is_file(*d.what) || offset >= 0) {
    const bool memory = kind == file_kind::memory;
    return file_loop(ctx, size, offset,
                     [&](std::uint64_t done, std::int64_t at, std::int64_t& covered) -> std::int64_t {
                       if (memory && !reserve_memory_file(ctx, d, std::min(size - done, step_bytes)))
                         return -ENOSPC;
                       const std::int64_t r = direct_out(ctx, d, from, done, at, covered);
                       if (memory) (void)charge_memory_file(ctx, d);
                       return r;
                     });
  }
  if (size == 0 && !is_counter(*d.what)) return 0;
  // A blocking write returns when all is written, or with what was written before it was stopped.
  const auto [fd, events] = output_event(d);
  const deadline until = after(d.what->send_timeout_ns);
  std::uint64_t done = 0;
  do {
    const std::int64_t r = until_done(ctx, fd, events, !d.what->nonblocking, until,
                                      [&] { return out_step(ctx, d, from, done); });
    if (r == -EPIPE) (void)broken_pipe(ctx);
    if (r < 0) return done != 0 ? static_cast<std::int64_t>(done) : r;
    done += static_cast<std::uint64_t>(r);
  } while (done < size && !d.what->nonblocking && !is_counter(*d.what) && !ctx.thread.wait.ended());
  return static_cast<std::int64_t>(done);
}

}  // namespace osvm::unikernel
