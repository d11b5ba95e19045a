// Timers that send signals: timer_create, setitimer and alarm. One thread per instance, made by the first
// timer, sleeps until the earliest of them.
//
// A repeating timer whose signal is still pending is not armed again before the signal is taken; what it
// missed is counted as overruns. So a guest cannot make the thread run faster than it takes signals itself.
#pragma once

#include "unikernel/signals/signal.hpp"

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace osvm::unikernel {

class process_host;
class process_signals;

// What a timer counts.
struct timer_clock {
  enum class what : std::uint8_t { wall, monotonic, process_cpu, thread_cpu };
  what kind = what::monotonic;
  int tid = 0;  // of thread_cpu
};

// A clockid_t of the guest, per-thread and per-process encodings included; nothing: unknown. `self` is the
// caller.
std::optional<timer_clock> timer_clock_of(clockid_t id, int self, int pid) noexcept;

struct timer_times {
  std::chrono::nanoseconds value{0}, interval{0};  // value 0: not armed
};

// Thread-safe. Calls process_signals and process_host without its lock, or under it in that order.
class guest_timers final {
 public:
  guest_timers(process_signals& signals, process_host& host);
  ~guest_timers() { stop(); }
  guest_timers(const guest_timers&) = delete;
  guest_timers& operator=(const guest_timers&) = delete;

  struct notice {
    bool silent = false;  // SIGEV_NONE
    int signal = SIGALRM;
    int tid = 0;                  // SIGEV_THREAD_ID; 0: the process
    std::optional<sigval> value;  // none: the timer's number
  };
  // The timer's number, or -EAGAIN when there are too many.
  int create(timer_clock clock, const notice& how);
  bool erase(int id);
  // False: no such timer. `absolute`: `wanted.value` is a time of the clock.
  bool set(int id, const timer_times& wanted, bool absolute, timer_times& old);
  bool get(int id, timer_times& out);
  std::optional<int> overruns(int id);
  // ITIMER_REAL, ITIMER_VIRTUAL or ITIMER_PROF.
  void set_interval(int which, const timer_times& wanted, timer_times& old);
  timer_times get_interval(int which);
  // RLIMIT_CPU: SIGXCPU at `soft` and each second after it, SIGKILL at `hard`. 0: none.
  void set_cpu_limit(std::chrono::nanoseconds soft, std::chrono::nanoseconds hard);
  // Forgets every timer but the interval timers and the CPU limits: execve().
  void clear();
  bool armed();  // whether any will fire
  // Ends the thread; no timer fires any more. Not from the thread itself.
  void stop() noexcept;

 private:
  using nanoseconds = std::chrono::nanoseconds;
  struct timer {
    timer_clock clock;
    notice how;
    nanoseconds expiry{0}, interval{0};  // expiry on the timer's clock
    bool armed = false;
    bool queued = false;   // its signal is pending
    int overruns = 0;      // of the signal taken last
    nanoseconds seen{-1};  // CPU clocks: what they showed at the last look, and how long was slept since
    nanoseconds nap{0};
  };
  nanoseconds now(const timer_clock& c) const;
  timer_times times(const timer& t) const;
  void arm(timer& t, const timer_times& wanted, bool absolute);
  nanoseconds until_due(timer& t);
  void fire(std::unique_lock<std::mutex>& lock, int id);
  void taken(siginfo_t& info);
  void run();
  void ensure_thread();

  process_signals& signals_;
  process_host& host_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::map<int, timer> timers_;  // negative numbers: interval timers, then CPU limits
  int next_id_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace osvm::unikernel
