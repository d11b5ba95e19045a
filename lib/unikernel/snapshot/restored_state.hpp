// What a process has beside memory, threads and open files, as its template had it.
#pragma once

#include "unikernel/process/process_state.hpp"
#include "unikernel/snapshot/saved_instance.hpp"

namespace osvm::unikernel {

inline void restore_state(process_state& to, const saved_process& saved) {
  to.working_directory = saved.working_directory;
  to.umask = saved.umask;
  for (int n = 1; n <= max_signal; ++n) to.signals.set_action(n, saved.actions[static_cast<std::size_t>(n)]);
  for (unsigned n = 0; n < RLIM_NLIMITS; ++n) (void)to.limits.set(n, saved.limits[n]);
  to.set_program(saved.executable, saved.arguments);
  to.set_auxiliary(saved.auxiliary);
}

}  // namespace osvm::unikernel
