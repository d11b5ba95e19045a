#include "unikernel/signals/pending.hpp"

#include <algorithm>
#include <bit>

namespace osvm::unikernel {

bool pending_signals::add(int signal, const siginfo_t* info) {
  const bool of_timer = info && info->si_code == SI_TIMER;  // each timer has an entry of its own
  if (signal < first_real_time && has(signal) && !of_timer) return false;
  if (info) queue_.push_back(*info);
  set_ |= signal_bit(signal);
  return info != nullptr;
}

int pending_signals::take(signal_mask wanted, siginfo_t& out, bool& queued) {
  queued = false;
  const signal_mask ready = set_ & wanted;
  if (!ready) return 0;
  const signal_mask first = ready & synchronous_signals ? ready & synchronous_signals : ready;
  const int signal = std::countr_zero(first) + 1;
  const auto matches = [signal](const siginfo_t& i) { return i.si_signo == signal; };
  const auto it = std::find_if(queue_.begin(), queue_.end(), matches);
  if (it == queue_.end()) {
    out = {};
    out.si_signo = signal;
    out.si_code = SI_USER;
    set_ &= ~signal_bit(signal);
    return signal;
  }
  out = *it;
  const auto rest = queue_.erase(it);
  queued = true;
  if (std::find_if(rest, queue_.end(), matches) == queue_.end()) set_ &= ~signal_bit(signal);
  return signal;
}

unsigned pending_signals::discard(signal_mask which) {
  set_ &= ~which;
  return static_cast<unsigned>(
      std::erase_if(queue_, [which](const siginfo_t& i) { return which & signal_bit(i.si_signo); }));
}

}  // namespace osvm::unikernel
