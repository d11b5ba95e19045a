// The signals of one guest process: actions, what is pending, and which thread a signal wakes.
//
// A thread that has something to do is marked by its waiter's signal flag, which ends its waits; kick() ends
// its KVM_RUN. The engine looks at that flag before each entry and calls take() until nothing is left.
#pragma once

#include "unikernel/signals/thread_signals.hpp"

#include <osvm/core/unique_fd.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace osvm::unikernel {

struct guest_thread;
class signal_watch;

inline constexpr unsigned max_queued_signals = 1024;  // RLIMIT_SIGPENDING

// Thread-safe. No lock but its own is taken under its own; kicks and timer notes happen outside of it.
class process_signals final {
 public:
  using kicker = std::function<void(int tid)>;
  // Told outside the lock when a timer's signal (SI_TIMER, or any SIGALRM) was taken; may complete the
  // information.
  using timer_note = std::function<void(siginfo_t&)>;
  explicit process_signals(kicker kick) : kick_(std::move(kick)) {}

  void add(guest_thread& t);
  void remove(guest_thread& t);         // what it alone was to take goes to the others
  void forget(guest_thread& t);         // the same for a thread that never ran: wakes nobody
  void forget_thread(guest_thread& t);  // its number is about to change: what is pending for it stays
  void on_timer_signal(timer_note note) { timer_note_ = std::move(note); }  // before any thread runs

  signal_action action(int signal) const;
  void set_action(int signal, const signal_action& wanted);
  void set_blocked(guest_thread& t, signal_mask mask);
  // Nothing is pending any more, nobody is stopped.
  void discard_all();
  void set_stack(guest_thread& t, const alternate_stack& stack);
  // Pending for the thread or the process, and blocked by the thread.
  signal_mask pending(const guest_thread& t) const;

  // 0; -EAGAIN when the queue is full; -ESRCH. Signals that nobody would see are dropped, as Linux does.
  std::int64_t send(const siginfo_t& info);
  std::int64_t send_to(int tid, const siginfo_t& info);
  // For timers: pending even when the queue is full. `tid` 0 means the process. False: nobody would see it.
  bool send_from_timer(int tid, const siginfo_t& info);

  struct taken {
    enum class what : std::uint8_t {
      nothing,  // the thread goes on
      handler,  // `info` and `action`
      end,      // the default action ends the process
      stop,     // the process is stopped: wait until continued
    };
    what kind = what::nothing;
    siginfo_t info{};
    signal_action action;
  };
  // What the thread must do next.
  taken take(guest_thread& t);
  // The handler of a signal that its own instruction raised; nothing when it is blocked, ignored or default,
  // which ends the process.
  std::optional<signal_action> force(guest_thread& t, int signal);
  // A handler was entered: blocks what it wants blocked.
  void entered(guest_thread& t, int signal, const signal_action& action);
  // One of `wanted`, blocked or not: for rt_sigtimedwait and signalfd. False: none pending.
  bool take_one_of(guest_thread& t, signal_mask wanted, siginfo_t& out);
  void wait_for(guest_thread& t, signal_mask wanted);  // 0: no longer
  bool stopped() const noexcept { return stopped_.load(std::memory_order_acquire); }

  // fork(): the actions of another process.
  void inherit(const process_signals& parent);
  // execve(): handlers are gone; `t` is the only thread.
  void reset_for_program(guest_thread& t);

  // signalfd: `watch` is told when one of its signals becomes pending or is none any more.
  void watch(const std::shared_ptr<signal_watch>& w);

 private:
  using wake_list = std::vector<int>;
  bool wants(const guest_thread& t, int signal) const;
  void mark(guest_thread& t, wake_list& wake);
  void recalculate(guest_thread& t);
  void offer_shared(const guest_thread* except, wake_list& wake);
  bool prepare(int signal, wake_list& wake);
  enum class posted : std::uint8_t { pending, dropped, full };
  posted post(int tid, const siginfo_t& info, bool always, wake_list& wake);
  bool queue(pending_signals& to, const siginfo_t& info, bool always);
  bool take_locked(guest_thread& t, signal_mask wanted, siginfo_t& out);
  void update_watches();
  void discard_everywhere(signal_mask which);
  void kick(const wake_list& wake) const;
  void note(siginfo_t& info) const;

  const kicker kick_;
  timer_note timer_note_;
  mutable std::mutex lock_;
  std::map<int, guest_thread*> threads_;  // by tid: the first one is the main thread while it lives
  std::array<signal_action, max_signal + 1> actions_{};
  pending_signals shared_;
  unsigned queued_ = 0;
  std::atomic<bool> stopped_{false};
  std::vector<std::weak_ptr<signal_watch>> watches_;
};

// The host side of a signalfd: an eventfd that is readable while one of `mask` is pending.
class signal_watch final {
 public:
  explicit signal_watch(unique_fd event) noexcept : event_(std::move(event)) {}
  std::atomic<signal_mask> mask{0};
  int fd() const noexcept { return event_.get(); }

 private:
  friend class process_signals;
  void show(bool ready) noexcept;
  const unique_fd event_;
  bool ready_ = false;  // under process_signals' lock
};

}  // namespace osvm::unikernel
