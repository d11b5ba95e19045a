// Waiting for descriptors: epoll as the host has it, poll and select on top of the host's poll. Host calls
// here never wait; the thread's waiter does, on one descriptor that becomes ready with any of those asked
// about.
#include "unikernel/files/epoll_set.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

namespace osvm::unikernel {
namespace {

constexpr int max_events = 1024;  // returned by one epoll_wait
constexpr unsigned select_limit = 1024;

std::int64_t create_epoll(call_context& ctx, int flags) {
  if ((flags & ~EPOLL_CLOEXEC) != 0) return -EINVAL;
  unique_fd host(::epoll_create1(EPOLL_CLOEXEC));
  if (!host) return no_descriptor();
  auto what = std::make_shared<description>();
  what->kind = file_kind::epoll;
  what->extra = std::make_shared<epoll_set>();
  return install(ctx, std::move(what), std::move(host), (flags & EPOLL_CLOEXEC) != 0);
}
std::int64_t sys_epoll_create(call_context& ctx) {
  return int_arg(ctx, 0) <= 0 ? -EINVAL : create_epoll(ctx, 0);
}
std::int64_t sys_epoll_create1(call_context& ctx) {
  return create_epoll(ctx, int_arg(ctx, 0));
}

std::int64_t sys_epoll_ctl(call_context& ctx) {
  const auto set = descriptor_arg(ctx, 0), d = descriptor_arg(ctx, 2);
  const int operation = int_arg(ctx, 1);
  epoll_event event{};
  if (operation != EPOLL_CTL_DEL && !load(ctx, ctx.args[3], event)) return -EFAULT;
  if (!set || !d) return -EBADF;
  if (!d->host || d->what->kind == file_kind::device) return -EPERM;  // as regular files
  if (set->what->kind != file_kind::epoll || set == d) return -EINVAL;
  event.events &= ~static_cast<std::uint32_t>(EPOLLWAKEUP);  // would keep the host from sleeping
  const std::int64_t r = host_result(::epoll_ctl(set->host.get(), operation, d->host.get(), &event));
  if (r == 0 && d->what->kind == file_kind::socket) note_watch(*set, d, operation, event);
  return r;
}

// A signal mask that holds while a call waits. When a signal stopped the call it stays until the engine has
// looked for a handler, whose frame then restores the mask from before.
class temporary_mask {
 public:
  explicit temporary_mask(call_context& ctx) : ctx_(ctx) {}
  // 0, -EINVAL or -EFAULT. A null pointer changes nothing.
  std::int64_t set(std::uint64_t va, std::uint64_t size) {
    if (va == 0) return 0;
    signal_mask mask = 0;
    if (size != sizeof mask) return -EINVAL;
    if (!load(ctx_, va, mask)) return -EFAULT;
    set_temporary_mask(ctx_, mask);
    return 0;
  }
  // The call's result: the mask goes back unless a signal stopped the call.
  std::int64_t end(std::int64_t result) const {
    if (result != -EINTR && !is_interrupted_call(result)) restore_mask(ctx_);
    return result;
  }

 private:
  call_context& ctx_;
};

// Repeats `step` while it finds nothing (0) until the deadline; a zero timeout looks once. `how` is what a
// signal does.
template <class Step>
std::int64_t wait_for(call_context& ctx, int fd, bool wait, deadline until, interrupted_call how, Step step) {
  const std::int64_t r = until_done(ctx, fd, POLLIN, wait, until, [&]() -> std::int64_t {
    const std::int64_t found = step();
    return found == 0 ? -EAGAIN : found;
  });
  if (r == -EINTR || is_interrupted_call(r)) return stopped_call(ctx, how);
  return r == -EAGAIN ? 0 : r;
}

std::int64_t wait_epoll(call_context& ctx, bool wait, deadline until) {
  ctx.instance.readiness.waits();
  const auto set = descriptor_arg(ctx);
  const int most = int_arg(ctx, 2);
  if (most <= 0 || most > static_cast<int>(INT32_MAX / sizeof(epoll_event))) return -EINVAL;
  if (!set) return -EBADF;
  if (set->what->kind != file_kind::epoll) return -EINVAL;
  std::array<epoll_event, max_events> found;
  const std::int64_t n = wait_for(ctx, set->host.get(), wait, until, interrupted_call::unless_handled, [&] {
    return host_result(::epoll_wait(set->host.get(), found.data(), std::min(most, max_events), 0));
  });
  if (n <= 0) return n;
  const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(epoll_event);
  return memory_access(ctx.memory).write(ctx.args[1], found.data(), bytes) ? n : -EFAULT;
}

// Of a timeout in milliseconds; negative ones have none.
deadline deadline_of_ms(call_context& ctx, int ms) {
  return ctx.thread.keep(ms > 0 ? deadline_after_ms(ms) : std::nullopt);
}

std::int64_t wait_epoll_ms(call_context& ctx) {
  const int ms = int_arg(ctx, 3);
  return wait_epoll(ctx, ms != 0, deadline_of_ms(ctx, ms));
}
std::int64_t sys_epoll_wait(call_context& ctx) {
  return wait_epoll_ms(ctx);
}
std::int64_t sys_epoll_pwait(call_context& ctx) {
  temporary_mask mask(ctx);
  if (const auto r = mask.set(ctx.args[4], ctx.args[5]); r < 0) return r;
  return mask.end(wait_epoll_ms(ctx));
}

// A timespec argument as a wait: null waits without end. 0, -EFAULT or -EINVAL.
struct timeout {
  bool wait = true;
  deadline until;
};
std::int64_t load_timeout(call_context& ctx, std::uint64_t va, timeout& out) {
  if (va == 0) return 0;
  timespec t;
  if (!load(ctx, va, t)) return -EFAULT;
  if (!valid(t)) return -EINVAL;
  out = {t.tv_sec != 0 || t.tv_nsec != 0, ctx.thread.keep(deadline_after(t))};
  return 0;
}

std::int64_t sys_epoll_pwait2(call_context& ctx) {
  timeout t;
  temporary_mask mask(ctx);
  if (const auto r = load_timeout(ctx, ctx.args[3], t); r < 0) return r;
  if (const auto r = mask.set(ctx.args[4], ctx.args[5]); r < 0) return r;
  return mask.end(wait_epoll(ctx, t.wait, t.until));
}

// A poll set: the guest's polling_entries and the host's, side by side.
class poll_set {
 public:
  poll_set(call_context& ctx, std::vector<pollfd> polling_entries) : guest_(std::move(polling_entries)) {
    held_.reserve(guest_.size());
    for (const pollfd& e : guest_) {
      auto d = e.fd < 0 ? nullptr : ctx.process.descriptors.get(e.fd);
      const bool real = d && d->host;
      host_.push_back({.fd = real ? d->host.get() : -1, .events = e.events, .revents = 0});
      held_.push_back(std::move(d));
    }
  }

  // One look: how many polling_entries are ready, or -errno.
  std::int64_t look() {
    if (::poll(host_.data(), host_.size(), 0) < 0) return -errno;
    std::int64_t ready = 0;
    for (std::size_t i = 0; i < guest_.size(); ++i) {
      guest_[i].revents = ready_events(i);
      ready += guest_[i].revents != 0;
    }
    return ready;
  }

  // A descriptor that is readable when any entry is ready. -errno when the host has none left.
  std::int64_t gather(unique_fd& out) {
    out.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!out) return no_descriptor();
    std::unordered_map<int, std::uint32_t> wanted;  // one descriptor may stand in many polling_entries
    for (std::size_t i = 0; i < host_.size(); ++i) {
      if (const int fd = wait_fd(i); fd >= 0) wanted[fd] |= wait_events(i);
    }
    for (const auto& [fd, events] : wanted) {
      epoll_event event{.events = events, .data = {}};
      if (::epoll_ctl(out.get(), EPOLL_CTL_ADD, fd, &event) != 0 && errno != EPERM) return -errno;
    }
    return 0;
  }

  const std::vector<pollfd>& polling_entries() const { return guest_; }

 private:
  capture_buffer* capture(std::size_t i) const {
    if (!held_[i] || held_[i]->what->kind != file_kind::capture) return nullptr;
    return static_cast<capture_buffer*>(held_[i]->what->extra.get());
  }
  int wait_fd(std::size_t i) const {
    if (const capture_buffer* c = capture(i)) return (guest_[i].events & POLLOUT) != 0 ? c->room.get() : -1;
    return host_[i].fd;
  }
  std::uint32_t wait_events(std::size_t i) const {
    return capture(i) ? std::uint32_t{EPOLLIN} : static_cast<std::uint16_t>(host_[i].events);
  }
  short ready_events(std::size_t i) const {
    if (guest_[i].fd < 0) return 0;
    if (!held_[i]) return POLLNVAL;
    if (capture_buffer* c = capture(i)) {
      std::lock_guard guard(c->lock);
      return c->space() != 0 ? static_cast<short>(guest_[i].events & POLLOUT) : short{0};
    }
    if (!held_[i]->host) return static_cast<short>(guest_[i].events & (POLLIN | POLLOUT));
    return host_[i].revents;
  }

  std::vector<pollfd> guest_, host_;
  std::vector<std::shared_ptr<descriptor>> held_;
};

std::int64_t poll_descriptors(call_context& ctx, poll_set& set, const timeout& t, interrupted_call how) {
  ctx.instance.readiness.waits();
  const std::int64_t first = set.look();
  if (first != 0 || !t.wait) return first;
  unique_fd any;
  if (const std::int64_t r = set.gather(any); r < 0) return r;
  return wait_for(ctx, any.get(), true, t.until, how, [&] { return set.look(); });
}

std::int64_t poll_array(call_context& ctx, const timeout& t, interrupted_call how) {
  const std::uint64_t count = ctx.args[1];
  if (count > ctx.process.descriptors.limit()) return -EINVAL;
  std::vector<pollfd> polling_entries(count);
  const std::size_t bytes = count * sizeof(pollfd);
  if (count != 0 && !memory_access(ctx.memory).read(ctx.args[0], polling_entries.data(), bytes))
    return -EFAULT;
  poll_set set(ctx, std::move(polling_entries));
  const std::int64_t r = poll_descriptors(ctx, set, t, how);
  if (r < 0) return r;
  if (count != 0 && !memory_access(ctx.memory).write(ctx.args[0], set.polling_entries().data(), bytes))
    return -EFAULT;
  return r;
}

// ppoll(), select() and pselect6() tell how much of the timeout was left.
template <class Time>
void store_left(call_context& ctx, std::uint64_t va, const timeout& t) {
  if (va == 0 || !t.until) return;
  const auto left =
      std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(*t.until - wait_clock::now()));
  const auto seconds = left.count() / 1'000'000'000, rest = left.count() % 1'000'000'000;
  (void)store(ctx, va, Time{seconds, std::is_same_v<Time, timeval> ? rest / 1000 : rest});
}

std::int64_t sys_poll(call_context& ctx) {
  const int ms = int_arg(ctx, 2);
  return poll_array(ctx, {ms != 0, deadline_of_ms(ctx, ms)}, interrupted_call::with_deadline);
}
std::int64_t sys_ppoll(call_context& ctx) {
  timeout t;
  temporary_mask mask(ctx);
  if (const auto r = load_timeout(ctx, ctx.args[2], t); r < 0) return r;
  if (const auto r = mask.set(ctx.args[3], ctx.args[4]); r < 0) return r;
  const std::int64_t r = mask.end(poll_array(ctx, t, interrupted_call::unless_handled));
  store_left<timespec>(ctx, ctx.args[2], t);
  return r;
}

// The three sets of select(), as bits of 64-bit words.
constexpr std::array<short, 3> asked = {POLLIN | POLLRDNORM | POLLRDBAND, POLLOUT | POLLWRNORM | POLLWRBAND,
                                        POLLPRI};
constexpr std::array<short, 3> answered = {POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
                                           POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR, POLLPRI};
using bit_sets = std::array<std::vector<std::uint64_t>, 3>;

bool has_bit(const std::vector<std::uint64_t>& words, unsigned bit) {
  return !words.empty() && (words[bit / 64] >> (bit % 64) & 1) != 0;
}

std::int64_t select_descriptors(call_context& ctx, const timeout& t) {
  if (int_arg(ctx, 0) < 0) return -EINVAL;
  const unsigned count = std::min({unsigned_arg(ctx, 0), select_limit, ctx.process.descriptors.limit()});
  const std::size_t words = (count + 63) / 64;
  bit_sets sets;
  for (unsigned s = 0; s < 3; ++s) {
    if (ctx.args[s + 1] == 0) continue;
    sets[s].resize(words);
    if (words != 0 && !memory_access(ctx.memory).read(ctx.args[s + 1], sets[s].data(), words * 8))
      return -EFAULT;
  }
  std::vector<pollfd> polling_entries;
  for (unsigned fd = 0; fd < count; ++fd) {
    short events = 0;
    for (unsigned s = 0; s < 3; ++s)
      if (has_bit(sets[s], fd)) events = static_cast<short>(events | asked[s]);
    if (events == 0) continue;
    if (!ctx.process.descriptors.get(static_cast<int>(fd))) return -EBADF;
    polling_entries.push_back({.fd = static_cast<int>(fd), .events = events, .revents = 0});
  }
  poll_set set(ctx, std::move(polling_entries));
  if (const std::int64_t r = poll_descriptors(ctx, set, t, interrupted_call::unless_handled); r < 0) return r;
  std::int64_t ready = 0;
  bit_sets result;
  for (unsigned s = 0; s < 3; ++s) {
    if (ctx.args[s + 1] == 0) continue;
    result[s].resize(words);
    for (const pollfd& e : set.polling_entries()) {
      const auto fd = static_cast<unsigned>(e.fd);
      if (!has_bit(sets[s], fd) || (e.revents & answered[s]) == 0) continue;
      result[s][fd / 64] |= std::uint64_t{1} << (fd % 64);
      ++ready;
    }
    if (words != 0 && !memory_access(ctx.memory).write(ctx.args[s + 1], result[s].data(), words * 8))
      return -EFAULT;
  }
  return ready;
}

std::int64_t sys_select(call_context& ctx) {
  timeout t;
  if (ctx.args[4] != 0) {
    timeval v;
    if (!load(ctx, ctx.args[4], v)) return -EFAULT;
    if (v.tv_sec < 0 || v.tv_usec < 0) return -EINVAL;
    // Linux accepts more than a second of microseconds here.
    const timespec s{v.tv_sec + v.tv_usec / 1'000'000, v.tv_usec % 1'000'000 * 1000};
    t = {s.tv_sec != 0 || s.tv_nsec != 0, ctx.thread.keep(deadline_after(s))};
  }
  const std::int64_t r = select_descriptors(ctx, t);
  store_left<timeval>(ctx, ctx.args[4], t);
  return r;
}

std::int64_t sys_pselect6(call_context& ctx) {
  timeout t;
  temporary_mask mask(ctx);
  if (const auto r = load_timeout(ctx, ctx.args[4], t); r < 0) return r;
  std::array<std::uint64_t, 2> mask_and_size{};
  if (ctx.args[5] != 0 && !load(ctx, ctx.args[5], mask_and_size)) return -EFAULT;
  if (const auto r = mask.set(mask_and_size[0], mask_and_size[1]); r < 0) return r;
  const std::int64_t r = mask.end(select_descriptors(ctx, t));
  store_left<timespec>(ctx, ctx.args[4], t);
  return r;
}

constexpr syscall_entry polling_entries[] = {
    {7, "poll", call<sys_poll>, capability::always, "Pli"},
    {23, "select", call<sys_select>, capability::always, "iPPPP"},
    {213, "epoll_create", call<sys_epoll_create>, capability::always, "i"},
    {232, "epoll_wait", call<sys_epoll_wait>, capability::always, "fPii"},
    {233, "epoll_ctl", call<sys_epoll_ctl>, capability::always, "fifp"},
    {270, "pselect6", call<sys_pselect6>, capability::always, "iPPPPp"},
    {271, "ppoll", call<sys_ppoll>, capability::always, "Plppl"},
    {281, "epoll_pwait", call<sys_epoll_pwait>, capability::always, "fPiipl"},
    {291, "epoll_create1", call<sys_epoll_create1>, capability::always, "x"},
    {441, "epoll_pwait2", call<sys_epoll_pwait2>, capability::always, "fPippl"},
};

}  // namespace

extern const syscall_family polling_family;
const syscall_family polling_family{"polling", polling_entries};

}  // namespace osvm::unikernel
