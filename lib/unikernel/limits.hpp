// The guest's resource limits (setrlimit): what it asked for within its budgets. Limits on processor time,
// the number of descriptors and the size of files act; the others are remembered.
#pragma once

#include <sys/resource.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

namespace osvm::unikernel {

// Thread-safe.
class guest_limits final {
 public:
  using pair = rlimit;

  guest_limits(rlim_t descriptors, rlim_t threads, rlim_t queued_signals);
  pair get(unsigned resource) const;
  // 0, -EINVAL (soft above hard) or -EPERM (the hard limit would rise). `resource` is below RLIM_NLIMITS.
  int set(unsigned resource, const pair& wanted);
  void inherit(const guest_limits& parent);  // fork()
  rlim_t file_size() const noexcept { return file_size_.load(std::memory_order_relaxed); }

 private:
  mutable std::mutex lock_;
  std::array<pair, RLIM_NLIMITS> limits_;
  std::atomic<rlim_t> file_size_{RLIM_INFINITY};  // soft; read by every write
};

}  // namespace osvm::unikernel
