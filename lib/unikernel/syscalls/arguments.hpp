// What handlers of several families share: taking arguments apart, blocking, and keeping exceptions inside.
#pragma once

#include "unikernel/instance_state.hpp"
#include "unikernel/syscalls/syscall.hpp"

#include <poll.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <memory>
#include <new>
#include <string>

namespace osvm::unikernel {

inline constexpr std::size_t max_path = 4096;
inline constexpr std::size_t max_ranges = 1024;           // IOV_MAX
inline constexpr std::size_t max_transfer = 0x7fff'f000;  // MAX_RW_COUNT

// Table entries name handlers as call<f>: an allocation that fails on the host becomes -ENOMEM for the guest.
template <std::int64_t (*F)(call_context&)>
std::int64_t call(call_context& ctx) noexcept {
  try {
    return F(ctx);
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (...) {
    return -EIO;
  }
}

inline int int_arg(const call_context& ctx, int n) noexcept {
  return static_cast<int>(ctx.args[n]);
}
inline unsigned unsigned_arg(const call_context& ctx, int n) noexcept {
  return static_cast<unsigned>(ctx.args[n]);
}
inline std::shared_ptr<descriptor> descriptor_arg(const call_context& ctx, int n = 0) {
  return ctx.process.descriptors.get(int_arg(ctx, n));
}

// A host call's result in the form that handlers return.
inline std::int64_t host_result(long r) noexcept {
  return r < 0 ? -errno : r;
}

template <class T>
bool load(call_context& ctx, std::uint64_t va, T& out) {
  return memory_access(ctx.memory).read(va, out);
}
template <class T>
bool store(call_context& ctx, std::uint64_t va, const T& value) {
  return memory_access(ctx.memory).write(va, value);
}
// A path argument. 0, -EFAULT or -ENAMETOOLONG.
inline int load_path(call_context& ctx, std::uint64_t va, std::string& out) {
  return memory_access(ctx.memory).read_string(va, max_path - 1, out);
}

// The lowest free number at or above `minimum`, or -EMFILE.
inline std::int64_t add_descriptor(call_context& ctx, std::shared_ptr<descriptor> d, bool close_on_exec,
                                   int minimum = 0) {
  auto& table = ctx.process.descriptors;
  const int fd = table.add(d, close_on_exec, minimum);
  if (fd != -EMFILE) return fd;
  if (table.lowered()) return fd;
  if (ctx.instance.rules.descriptor_budget)
    return ctx.instance.deny("a descriptor beyond the budget", "--descriptors N", EMFILE);
  table.extend();
  return table.add(std::move(d), close_on_exec, minimum);
}

// Puts a new descriptor into the guest's table: its number, or -EMFILE (the host's descriptor is closed).
inline std::int64_t install(call_context& ctx, std::shared_ptr<description> what, unique_fd host,
                            bool close_on_exec) {
  auto d = std::make_shared<descriptor>();
  d->what = std::move(what);
  d->host = std::move(host);
  return add_descriptor(ctx, std::move(d), close_on_exec);
}
// Too few host descriptors is the host's trouble; the guest sees the limit of the whole system.
inline std::int64_t no_descriptor() noexcept {
  return errno == EMFILE ? -ENFILE : -errno;
}

inline timeval to_timeval(std::chrono::nanoseconds d) noexcept {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(d).count();
  return {us / 1'000'000, us % 1'000'000};
}
inline bool valid(const timespec& t) noexcept {
  return t.tv_sec >= 0 && t.tv_nsec >= 0 && t.tv_nsec < 1'000'000'000;
}
// A deadline `t` from now; far ones (and those that do not fit the clock) are none.
inline deadline deadline_after(const timespec& t) {
  constexpr std::int64_t far = std::int64_t{100} * 365 * 86400;
  if (t.tv_sec >= far) return std::nullopt;
  return wait_clock::now() + std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}
inline deadline deadline_after_ms(std::int64_t ms) {
  return wait_clock::now() + std::chrono::milliseconds(ms);
}

// What a call that a signal stopped returns; one whose thread is to end returns -EINTR, which nobody sees.
inline std::int64_t stopped_call(const call_context& ctx, interrupted_call how) noexcept {
  return ctx.thread.wait.ended() ? -EINTR : code(how);
}

// A write that nobody reads: the writer gets SIGPIPE besides the error.
inline std::int64_t broken_pipe(call_context& ctx) {
  siginfo_t info{};
  info.si_signo = SIGPIPE;
  info.si_code = SI_USER;
  info.si_pid = ctx.process.pid;
  info.si_uid = guest_user_id;
  (void)ctx.process.signals.send_to(ctx.thread.tid, info);
  return -EPIPE;
}

// For calls that wait with a signal mask of their own: sets it, remembering the thread's, and restores that.
inline void set_temporary_mask(call_context& ctx, signal_mask mask) {
  if (!ctx.thread.signals.saved) ctx.thread.signals.saved = ctx.thread.signals.blocked;
  ctx.process.signals.set_blocked(ctx.thread, mask);
}
inline void restore_mask(call_context& ctx) {
  if (!ctx.thread.signals.saved) return;
  ctx.process.signals.set_blocked(ctx.thread, *ctx.thread.signals.saved);
  ctx.thread.signals.saved.reset();
}

// Repeats a non-blocking step until it gives something other than -EAGAIN. `fd` and `events` are what the
// step waits for. With `blocking` false it is tried once. A signal makes it stop as Linux' sockets and pipes
// do: a call with a time limit of its own is not repeated.
template <class Step>
std::int64_t until_done(call_context& ctx, int fd, short events, bool blocking, deadline until, Step step) {
  for (;;) {
    const std::int64_t r = step();
    if (r != -EAGAIN || !blocking) return r;
    switch (ctx.thread.wait.wait_fd(fd, events, until)) {
      case wait_result::ready: break;
      case wait_result::timed_out: return -EAGAIN;
      case wait_result::interrupted: return until ? -EINTR : stopped_call(ctx, interrupted_call::restart);
    }
  }
}

}  // namespace osvm::unikernel
