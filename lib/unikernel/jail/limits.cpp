#include "unikernel/jail/jail.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace osvm::unikernel {
namespace {

// The worker's own: the VM, vCPUs, mounts, libraries, timers.
constexpr rlim_t own_descriptors = 1024;

result<void> limit(__rlimit_resource what, rlim_t value) {
  rlimit now{};
  if (::getrlimit(what, &now) != 0) return errno_error("reading a resource limit");
  const rlim_t most = std::min(value, now.rlim_max);
  const rlimit wanted{.rlim_cur = most, .rlim_max = most};
  if (::setrlimit(what, &wanted) != 0) return errno_error("setting a resource limit");
  return {};
}

}  // namespace

result<std::string> limit_resources(const budgets& limits) {
  OSVM_CHECK(limit(RLIMIT_CORE, 0));
  OSVM_CHECK(limit(RLIMIT_MEMLOCK, 0));
  OSVM_CHECK(limit(RLIMIT_MSGQUEUE, 0));
  // One of the guest's can stand for two of the host's, and all processes together may have four times as
  // many.
  const rlim_t guests = rlim_t{8} * limits.descriptors + rlim_t{2} * (limits.threads + limits.processes);
  OSVM_CHECK(limit(RLIMIT_NOFILE, own_descriptors + guests));
  return std::string("resource limits");
}

}  // namespace osvm::unikernel
