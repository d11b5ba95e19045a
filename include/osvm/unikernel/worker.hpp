// An instance whose VM and system calls live in a process of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace osvm::unikernel {

// What the host's control groups (v1 or v2) hold the worker process to, whatever happens inside it: its own
// memory and threads count as well as the guest's. Zeros: no limit. Where this host or this user cannot have
// the group, the creation fails with errc::unsupported, which says why.
struct worker_limits {
  // At least 8 MiB. Beyond it the host ends the worker: exit_cause::memory_budget.
  std::uint64_t memory_bytes = 0;
  unsigned cpu_percent = 0;  // of one core, 50 is half a core; beyond it the worker waits
  unsigned tasks = 0;        // threads and processes; beyond it the guest's clone() is EAGAIN
  // The group below which the worker gets its own, as in /proc/self/cgroup. Empty: the caller's group. With
  // v2, that has no controllers to give while processes are in it: name another one there.
  std::string parent;

  bool any() const noexcept { return memory_bytes != 0 || cpu_percent != 0 || tasks != 0; }
};

struct worker_options {
  std::string program;  // path of osvm-worker, of the same build
  // The worker gives up what its guest does not need, before the guest's first instruction: an empty root,
  // namespaces, Landlock, capabilities, seccomp. errc::isolation_unsupported where the host cannot do all of
  // it.
  bool jail = false;
  worker_limits limits = {};
  // Not zero: the worker does not end with its owner's process. It waits so long for another one to adopt it
  // (instance::adopt), then ends its guest and itself, and leaves nothing. Needs a socket_dir of mode 0700. A
  // handle that is destroyed ends its guest all the same.
  std::chrono::nanoseconds orphan_after{0};
};

}  // namespace osvm::unikernel
