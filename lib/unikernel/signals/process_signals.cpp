#include "unikernel/signals/process_signals.hpp"

#include "unikernel/thread/guest_thread.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace osvm::unikernel {

// threads

void process_signals::add(guest_thread& t) {
  const std::scoped_lock lock(lock_);
  threads_[t.tid] = &t;
  recalculate(t);
}

void process_signals::remove(guest_thread& t) {
  wake_list wake;
  {
    const std::scoped_lock lock(lock_);
    threads_.erase(t.tid);
    queued_ -= t.signals.pending.discard(~signal_mask{0});
    offer_shared(nullptr, wake);
    update_watches();
  }
  kick(wake);
}

void process_signals::forget(guest_thread& t) {
  const std::scoped_lock lock(lock_);
  threads_.erase(t.tid);
  queued_ -= t.signals.pending.discard(~signal_mask{0});
}

void process_signals::forget_thread(guest_thread& t) {
  const std::scoped_lock lock(lock_);
  threads_.erase(t.tid);
}

bool process_signals::wants(const guest_thread& t, int signal) const {
  return !(t.signals.blocked & signal_bit(signal)) || (t.signals.waited_for & signal_bit(signal));
}

void process_signals::mark(guest_thread& t, wake_list& wake) {
  t.wait.signal();
  wake.push_back(t.tid);
}

// Sets or clears the mark of a thread to what is pending for it now.
void process_signals::recalculate(guest_thread& t) {
  const signal_mask ready =
      (t.signals.pending.set() | shared_.set()) & (~t.signals.blocked | t.signals.waited_for);
  if (ready || stopped_.load(std::memory_order_relaxed)) {
    t.wait.signal();
  } else {
    t.wait.clear_signal();
  }
}

// Wakes each thread that could take a signal of the process: after a thread that was to take it has gone, or
// blocks it.
void process_signals::offer_shared(const guest_thread* except, wake_list& wake) {
  if (!shared_.set()) return;
  for (auto& [tid, t] : threads_) {
    if (t != except && (shared_.set() & ~t->signals.blocked)) mark(*t, wake);
  }
}

void process_signals::kick(const wake_list& wake) const {
  for (const int tid : wake) kick_(tid);
}

// actions and masks

signal_action process_signals::action(int signal) const {
  const std::scoped_lock lock(lock_);
  return actions_[static_cast<unsigned>(signal)];
}

void process_signals::discard_everywhere(signal_mask which) {
  queued_ -= shared_.discard(which);
  for (auto& [tid, t] : threads_) queued_ -= t->signals.pending.discard(which);
  update_watches();
}

void process_signals::set_action(int signal, const signal_action& wanted) {
  const std::scoped_lock lock(lock_);
  actions_[static_cast<unsigned>(signal)] = wanted;
  if (wanted.ignores(signal)) discard_everywhere(signal_bit(signal));
}

void process_signals::set_blocked(guest_thread& t, signal_mask mask) {
  wake_list wake;
  {
    const std::scoped_lock lock(lock_);
    const signal_mask now = mask & ~unblockable_signals;
    const bool blocks_more = now & ~t.signals.blocked;
    t.signals.blocked = now;
    recalculate(t);
    if (blocks_more) offer_shared(&t, wake);
  }
  kick(wake);
}

void process_signals::discard_all() {
  const std::scoped_lock lock(lock_);
  discard_everywhere(~signal_mask{0});
  stopped_ = false;
  for (auto& [tid, t] : threads_) recalculate(*t);
}

void process_signals::set_stack(guest_thread& t, const alternate_stack& stack) {
  const std::scoped_lock lock(lock_);
  t.signals.stack = stack;
}

signal_mask process_signals::pending(const guest_thread& t) const {
  const std::scoped_lock lock(lock_);
  return (t.signals.pending.set() | shared_.set()) & t.signals.blocked;
}

// sending

// What sending does whatever becomes of the signal: SIGCONT and the stop signals cancel each other. False:
// the signal has no effect beyond that.
bool process_signals::prepare(int signal, wake_list& wake) {
  if (signal_bit(signal) & stop_signals) discard_everywhere(signal_bit(SIGCONT));
  if (signal == SIGCONT || signal == SIGKILL) {
    discard_everywhere(stop_signals);
    if (stopped_.exchange(false)) {
      for (auto& [tid, t] : threads_) mark(*t, wake);
    }
  }
  if (!actions_[static_cast<unsigned>(signal)].ignores(signal)) return true;
  // A blocked signal stays pending: its action may change before it is unblocked, and it can be waited for.
  return std::any_of(threads_.begin(), threads_.end(), [&](const auto& t) {
    return (t.second->signals.blocked & signal_bit(signal)) ||
           (t.second->signals.waited_for & signal_bit(signal));
  });
}

bool process_signals::queue(pending_signals& to, const siginfo_t& info, bool always) {
  const int signal = info.si_signo;
  const bool full = queued_ >= max_queued_signals && !always;
  // As in Linux: a full queue fails what must not be merged, and loses the details of what may.
  if (full && signal >= first_real_time && info.si_code != SI_USER) return false;
  queued_ += to.add(signal, full ? nullptr : &info);
  update_watches();
  return true;
}

// `tid` 0: any thread that wants it, the main thread before others.
process_signals::posted process_signals::post(int tid, const siginfo_t& info, bool always, wake_list& wake) {
  const int signal = info.si_signo;
  guest_thread* target = nullptr;
  if (tid != 0) target = threads_.at(tid);
  if (!prepare(signal, wake)) return posted::dropped;
  const bool ignored = actions_[static_cast<unsigned>(signal)].ignores(signal);
  if (target && ignored && !((target->signals.blocked | target->signals.waited_for) & signal_bit(signal)))
    return posted::dropped;
  if (!queue(target ? target->signals.pending : shared_, info, always)) return posted::full;
  if (target) {
    if (wants(*target, signal)) mark(*target, wake);
  } else {
    const auto it = std::find_if(threads_.begin(), threads_.end(),
                                 [&](const auto& t) { return wants(*t.second, signal); });
    if (it != threads_.end()) mark(*it->second, wake);
  }
  return posted::pending;
}

std::int64_t process_signals::send(const siginfo_t& info) {
  wake_list wake;
  posted r = posted::dropped;
  {
    const std::scoped_lock lock(lock_);
    r = post(0, info, false, wake);
  }
  kick(wake);
  return r == posted::full ? -EAGAIN : 0;
}

std::int64_t process_signals::send_to(int tid, const siginfo_t& info) {
  wake_list wake;
  posted r = posted::dropped;
  {
    const std::scoped_lock lock(lock_);
    if (!threads_.contains(tid)) return -ESRCH;
    r = post(tid, info, false, wake);
  }
  kick(wake);
  return r == posted::full ? -EAGAIN : 0;
}

bool process_signals::send_from_timer(int tid, const siginfo_t& info) {
  wake_list wake;
  posted r = posted::dropped;
  {
    const std::scoped_lock lock(lock_);
    if (tid != 0 && !threads_.contains(tid)) return false;
    r = post(tid, info, true, wake);
  }
  kick(wake);
  return r == posted::pending;
}

// taking

bool process_signals::take_locked(guest_thread& t, signal_mask wanted, siginfo_t& out) {
  bool queued = false;
  const bool synchronous = (t.signals.pending.set() | shared_.set()) & wanted & synchronous_signals;
  const signal_mask first = synchronous ? wanted & synchronous_signals : wanted;
  if (!t.signals.pending.take(first, out, queued) && !shared_.take(first, out, queued)) return false;
  queued_ -= queued;
  update_watches();
  return true;
}

void process_signals::note(siginfo_t& info) const {
  if ((info.si_code == SI_TIMER || info.si_signo == SIGALRM) && timer_note_) timer_note_(info);
}

process_signals::taken process_signals::take(guest_thread& t) {
  taken result;
  for (;;) {
    {
      const std::scoped_lock lock(lock_);
      if (stopped_.load(std::memory_order_relaxed)) {
        result.kind = taken::what::stop;
        t.wait.clear_signal();
        return result;
      }
      if (!take_locked(t, ~t.signals.blocked, result.info)) {
        recalculate(t);
        return result;
      }
      const int signal = result.info.si_signo;
      signal_action& a = actions_[static_cast<unsigned>(signal)];
      result.action = a;
      if (a.calls_guest()) {
        result.kind = taken::what::handler;
        if (a.flags & static_cast<std::uint64_t>(SA_RESETHAND)) a.handler = 0;
      } else if (!a.ignores(signal)) {
        result.kind = signal == SIGSTOP ? taken::what::stop : taken::what::end;
        if (signal == SIGSTOP) stopped_.store(true);
      }
    }
    note(result.info);
    if (result.kind == taken::what::stop) {
      wake_list all;
      {
        const std::scoped_lock lock(lock_);
        for (auto& [tid, other] : threads_) {
          if (other != &t) mark(*other, all);
        }
        if (stopped_.load()) t.wait.clear_signal();
      }
      kick(all);
    }
    if (result.kind != taken::what::nothing) return result;
  }
}

std::optional<signal_action> process_signals::force(guest_thread& t, int signal) {
  const std::scoped_lock lock(lock_);
  signal_action& a = actions_[static_cast<unsigned>(signal)];
  if (!a.calls_guest() || (t.signals.blocked & signal_bit(signal))) return std::nullopt;
  const signal_action found = a;
  if (a.flags & static_cast<std::uint64_t>(SA_RESETHAND)) a.handler = 0;
  return found;
}

void process_signals::entered(guest_thread& t, int signal, const signal_action& action) {
  const signal_mask own = action.flags & SA_NODEFER ? 0 : signal_bit(signal);
  set_blocked(t, t.signals.blocked | action.mask | own);
}

bool process_signals::take_one_of(guest_thread& t, signal_mask wanted, siginfo_t& out) {
  {
    const std::scoped_lock lock(lock_);
    if (!take_locked(t, wanted, out)) return false;
    recalculate(t);
  }
  note(out);
  return true;
}

void process_signals::wait_for(guest_thread& t, signal_mask wanted) {
  const std::scoped_lock lock(lock_);
  t.signals.waited_for = wanted;
  recalculate(t);
}

// processes

void process_signals::inherit(const process_signals& parent) {
  const std::scoped_lock lock(lock_, parent.lock_);
  actions_ = parent.actions_;
}

void process_signals::reset_for_program(guest_thread& t) {
  const std::scoped_lock lock(lock_);
  for (signal_action& a : actions_) {
    if (a.calls_guest()) a = {};
    a.flags = 0;
    a.mask = 0;
  }
  t.signals.stack = {.flags = SS_DISABLE};
  t.signals.saved.reset();
}

// signalfd

void signal_watch::show(bool ready) noexcept {
  if (ready == ready_) return;
  ready_ = ready;
  std::uint64_t value = 1;
  if (ready) {
    (void)!::write(fd(), &value, sizeof value);
  } else {
    (void)!::read(fd(), &value, sizeof value);
  }
}

void process_signals::update_watches() {
  if (watches_.empty()) return;
  signal_mask all = shared_.set();
  for (const auto& [tid, t] : threads_) all |= t->signals.pending.set();
  std::erase_if(watches_, [all](const std::weak_ptr<signal_watch>& weak) {
    const auto w = weak.lock();
    if (w) w->show(all & w->mask.load());
    return !w;
  });
}

void process_signals::watch(const std::shared_ptr<signal_watch>& w) {
  const std::scoped_lock lock(lock_);
  const auto known = [&](const std::weak_ptr<signal_watch>& other) { return other.lock() == w; };
  if (std::none_of(watches_.begin(), watches_.end(), known)) watches_.push_back(w);
  update_watches();
}

}  // namespace osvm::unikernel
