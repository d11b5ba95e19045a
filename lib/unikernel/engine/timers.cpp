#include "unikernel/engine/timers.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace osvm::unikernel {

kick_timer::kick_timer(clockid_t clock, int kick_signal) noexcept {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = kick_signal;
  event._sigev_un._tid = static_cast<pid_t>(::syscall(SYS_gettid));
  valid_ = ::timer_create(clock, &event, &id_) == 0;
}

kick_timer::~kick_timer() {
  if (valid_) ::timer_delete(id_);
}

void kick_timer::arm(std::chrono::nanoseconds after) noexcept {
  if (!valid_) return;
  after = std::max<std::chrono::nanoseconds>(after, std::chrono::microseconds(1));
  itimerspec spec{};
  spec.it_value.tv_sec = static_cast<time_t>(after.count() / 1'000'000'000);
  spec.it_value.tv_nsec = static_cast<long>(after.count() % 1'000'000'000);
  (void)::timer_settime(id_, 0, &spec, nullptr);
}

}  // namespace osvm::unikernel
