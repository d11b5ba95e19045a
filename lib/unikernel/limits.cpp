#include "unikernel/limits.hpp"

#include <cerrno>

namespace osvm::unikernel {

guest_limits::guest_limits(rlim_t descriptors, rlim_t threads, rlim_t queued_signals) {
  limits_.fill({RLIM_INFINITY, RLIM_INFINITY});
  limits_[RLIMIT_STACK].rlim_cur = 8U << 20;
  limits_[RLIMIT_NOFILE] = {descriptors, descriptors};
  limits_[RLIMIT_NPROC] = {threads, threads};
  limits_[RLIMIT_SIGPENDING] = {queued_signals, queued_signals};
  limits_[RLIMIT_CORE].rlim_cur = 0;
  limits_[RLIMIT_MEMLOCK] = {0, 0};
}

guest_limits::pair guest_limits::get(unsigned resource) const {
  const std::scoped_lock lock(lock_);
  return limits_[resource];
}

void guest_limits::inherit(const guest_limits& parent) {
  const std::scoped_lock lock(lock_, parent.lock_);
  limits_ = parent.limits_;
  file_size_ = parent.file_size_.load();
}

int guest_limits::set(unsigned resource, const pair& wanted) {
  if (wanted.rlim_cur > wanted.rlim_max) return -EINVAL;
  const std::scoped_lock lock(lock_);
  if (wanted.rlim_max > limits_[resource].rlim_max) return -EPERM;
  limits_[resource] = wanted;
  if (resource == RLIMIT_FSIZE) file_size_.store(wanted.rlim_cur, std::memory_order_relaxed);
  return 0;
}

}  // namespace osvm::unikernel
