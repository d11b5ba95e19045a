#include "unikernel/signals/timers.hpp"

#include "unikernel/process/process_host.hpp"
#include "unikernel/signals/process_signals.hpp"

#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace osvm::unikernel {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_timers = 256;
constexpr auto shortest_nap = 200us;  // between two looks at a CPU clock
constexpr auto longest_nap = 50ms;    // when that clock stands still
constexpr auto ignored_period = 1ms;  // at least, between expirations that nobody sees

constexpr int soft_limit_id = -10, hard_limit_id = -11;
constexpr int interval_id(int which) noexcept {
  return -1 - which;
}
constexpr int interval_signal(int which) noexcept {
  return which == ITIMER_REAL ? SIGALRM : which == ITIMER_VIRTUAL ? SIGVTALRM : SIGPROF;
}

std::chrono::nanoseconds read_clock(clockid_t id) noexcept {
  timespec t{};
  (void)::clock_gettime(id, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

// Sums that a guest chooses stay in range.
std::chrono::nanoseconds add(std::chrono::nanoseconds a, std::chrono::nanoseconds b) noexcept {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a.count(), b.count(), &sum)) return std::chrono::nanoseconds::max();
  return std::chrono::nanoseconds(sum);
}

}  // namespace

std::optional<timer_clock> timer_clock_of(clockid_t id, int self, int own_pid) noexcept {
  using what = timer_clock::what;
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_TAI: return timer_clock{what::wall, 0};
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME: return timer_clock{what::monotonic, 0};
    case CLOCK_PROCESS_CPUTIME_ID: return timer_clock{what::process_cpu, 0};
    case CLOCK_THREAD_CPUTIME_ID: return timer_clock{what::thread_cpu, self};
    default: break;
  }
  if (id >= 0) return std::nullopt;
  // ~pid << 3 | per thread: 4 | which of three CPU clocks. Those of other processes are not served.
  const int pid = ~(id >> 3);
  if ((id & 3) == 3) return std::nullopt;
  if (id & 4) return timer_clock{what::thread_cpu, pid == 0 ? self : pid};
  return pid == 0 || pid == own_pid ? std::optional(timer_clock{what::process_cpu, 0}) : std::nullopt;
}

guest_timers::guest_timers(process_signals& signals, process_host& host) : signals_(signals), host_(host) {
  signals.on_timer_signal([this](siginfo_t& info) { taken(info); });
}

// Wall clock times are kept on the monotonic clock: a clock that is set does not move timers.
guest_timers::nanoseconds guest_timers::now(const timer_clock& c) const {
  switch (c.kind) {
    case timer_clock::what::process_cpu: return host_.cpu_time();
    case timer_clock::what::thread_cpu: return host_.thread_cpu_time(c.tid).value_or(nanoseconds::min());
    default: return read_clock(CLOCK_MONOTONIC);
  }
}

timer_times guest_timers::times(const timer& t) const {
  if (!t.armed) return {nanoseconds{0}, t.interval};
  nanoseconds expiry = t.expiry;
  const nanoseconds at = now(t.clock);
  // A signal that waits to be taken: the time to the expiry after it.
  if (t.queued && t.interval > 0ns && at >= expiry) expiry += ((at - expiry) / t.interval + 1) * t.interval;
  return {std::max(expiry - at, nanoseconds{1}), t.interval};
}

void guest_timers::arm(timer& t, const timer_times& wanted, bool absolute) {
  t.interval = wanted.interval;
  t.queued = false;
  t.overruns = 0;
  t.seen = nanoseconds{-1};
  t.armed = wanted.value > 0ns;
  if (!t.armed) return;
  nanoseconds base = now(t.clock);
  if (absolute) base = t.clock.kind == timer_clock::what::wall ? base - read_clock(CLOCK_REALTIME) : 0ns;
  t.expiry = add(base, wanted.value);
  ensure_thread();
  changed_.notify_one();
}

int guest_timers::create(timer_clock clock, const notice& how) {
  const std::scoped_lock lock(lock_);
  if (timers_.size() >= max_timers || next_id_ == std::numeric_limits<int>::max()) return -EAGAIN;
  const int id = next_id_++;
  timer t;
  t.clock = clock;
  t.how = how;
  if (!t.how.value) t.how.value = sigval{.sival_int = id};
  timers_.emplace(id, t);
  return id;
}

bool guest_timers::erase(int id) {
  const std::scoped_lock lock(lock_);
  return id >= 0 && timers_.erase(id) != 0;
}

bool guest_timers::set(int id, const timer_times& wanted, bool absolute, timer_times& old) {
  const std::scoped_lock lock(lock_);
  const auto it = timers_.find(id);
  if (id < 0 || it == timers_.end()) return false;
  old = times(it->second);
  arm(it->second, wanted, absolute);
  return true;
}

bool guest_timers::get(int id, timer_times& out) {
  const std::scoped_lock lock(lock_);
  const auto it = timers_.find(id);
  if (id < 0 || it == timers_.end()) return false;
  out = times(it->second);
  return true;
}

std::optional<int> guest_timers::overruns(int id) {
  const std::scoped_lock lock(lock_);
  const auto it = timers_.find(id);
  return id < 0 || it == timers_.end() ? std::nullopt : std::optional(it->second.overruns);
}

void guest_timers::set_interval(int which, const timer_times& wanted, timer_times& old) {
  const std::scoped_lock lock(lock_);
  timer& t = timers_[interval_id(which)];
  t.clock.kind = which == ITIMER_REAL ? timer_clock::what::monotonic : timer_clock::what::process_cpu;
  t.how.signal = interval_signal(which);
  old = times(t);
  arm(t, wanted, false);
}

timer_times guest_timers::get_interval(int which) {
  const std::scoped_lock lock(lock_);
  const auto it = timers_.find(interval_id(which));
  return it == timers_.end() ? timer_times{} : times(it->second);
}

void guest_timers::set_cpu_limit(nanoseconds soft, nanoseconds hard) {
  const std::scoped_lock lock(lock_);
  const auto limit = [&](int id, int signal, nanoseconds at, nanoseconds again) {
    timer& t = timers_[id];
    t.clock.kind = timer_clock::what::process_cpu;
    t.how.signal = signal;
    arm(t, {at, again}, true);
  };
  limit(soft_limit_id, SIGXCPU, soft, 1s);
  limit(hard_limit_id, SIGKILL, hard, 0s);
}

// A timer's signal reached the guest: the next period begins.
void guest_timers::taken(siginfo_t& info) {
  const std::scoped_lock lock(lock_);
  const auto it = timers_.find(info.si_code == SI_TIMER ? info.si_timerid : interval_id(ITIMER_REAL));
  if (it == timers_.end() || !it->second.queued) return;
  timer& t = it->second;
  t.queued = false;
  const nanoseconds at = now(t.clock);
  std::int64_t missed = 0;
  if (t.interval > 0ns) {
    missed = at >= t.expiry ? (at - t.expiry) / t.interval : 0;
    t.expiry += (missed + 1) * t.interval;
  }
  t.overruns = static_cast<int>(std::min<std::int64_t>(missed, std::numeric_limits<int>::max()));
  if (info.si_code == SI_TIMER) info.si_overrun = t.overruns;
  changed_.notify_one();
}

void guest_timers::fire(std::unique_lock<std::mutex>& lock, int id) {
  timer& t = timers_.at(id);
  siginfo_t info{};
  info.si_signo = t.how.signal;
  info.si_code = id < 0 ? SI_KERNEL : SI_TIMER;
  if (id >= 0) {
    info.si_timerid = id;
    info.si_value = *t.how.value;
  }
  const int tid = t.how.tid;
  const bool silent = t.how.silent, repeats = t.interval > 0ns;
  // Timers of CPU time go on by themselves; the others when their signal is taken.
  const bool waits = repeats && !(id < 0 && t.clock.kind == timer_clock::what::process_cpu);
  t.queued = !silent && (waits || id >= 0);
  if (!repeats) t.armed = false;
  bool seen = false;
  if (!silent) {
    lock.unlock();
    seen = signals_.send_from_timer(tid, info);
    lock.lock();
  }
  const auto it = timers_.find(id);
  if (it == timers_.end()) return;
  timer& after = it->second;
  if (seen && waits) return;
  if (!seen) after.queued = false;
  if (!after.armed || after.interval <= 0ns) return;
  const nanoseconds at = now(after.clock);
  if (after.expiry <= at) after.expiry += ((at - after.expiry) / after.interval + 1) * after.interval;
  if (!seen) after.expiry = std::max(after.expiry, add(at, ignored_period));
}

// How long the thread may sleep as far as this timer is concerned; 0: it is due.
guest_timers::nanoseconds guest_timers::until_due(timer& t) {
  const nanoseconds at = now(t.clock);
  if (at >= t.expiry) return 0ns;
  nanoseconds left = at == nanoseconds::min() ? longest_nap : t.expiry - at;
  if (t.clock.kind == timer_clock::what::wall || t.clock.kind == timer_clock::what::monotonic) return left;
  // CPU time passes at most once per thread and moment.
  if (t.clock.kind == timer_clock::what::process_cpu) left /= std::max(1U, host_.thread_count());
  t.nap = at == t.seen ? std::min<nanoseconds>(t.nap * 2, longest_nap) : 0ns;
  t.seen = at;
  t.nap = std::max({t.nap, std::min<nanoseconds>(left, longest_nap), nanoseconds(shortest_nap)});
  return t.nap;
}

void guest_timers::run() {
  std::unique_lock lock(lock_);
  while (!stopping_) {
    nanoseconds sleep = 1h;
    std::optional<int> due;
    for (auto& [id, t] : timers_) {
      if (!t.armed || t.queued) continue;
      const nanoseconds left = until_due(t);
      if (left == 0ns) due = id;
      sleep = std::min(sleep, left);
    }
    if (due) {
      fire(lock, *due);
    } else {
      changed_.wait_for(lock, sleep);
    }
  }
}

// Under the lock. The calling guest thread blocks all signals, and so does its child.
void guest_timers::ensure_thread() {
  if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { run(); });
}

void guest_timers::clear() {
  const std::scoped_lock lock(lock_);
  std::erase_if(timers_, [](const auto& t) { return t.first >= 0; });
}

bool guest_timers::armed() {
  const std::lock_guard guard(lock_);
  return std::any_of(timers_.begin(), timers_.end(), [](const auto& t) { return t.second.armed; });
}

void guest_timers::stop() noexcept {
  {
    const std::scoped_lock lock(lock_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace osvm::unikernel
