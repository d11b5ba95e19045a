// The control groups that hold one worker process to its limits: made for it, removed after it.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/unikernel/worker.hpp>

#include <sys/types.h>

#include <string>
#include <vector>

namespace osvm::unikernel {

// Owner of the groups. Removes them when destroyed, with every process that is still in them; not in a forked
// child of its owner. What an owner leaves that is killed itself, the next create() removes. Not thread-safe.
class worker_cgroup final {
 public:
  worker_cgroup() = default;  // no limits
  // errc::unsupported where this host or this user cannot; errc::invalid_argument.
  static result<worker_cgroup> create(const worker_limits& limits, std::uint32_t id);
  // Those that hold a process, by what the kernel says of it; none: it is in no group of a worker. For who
  // adopts it.
  static worker_cgroup of(pid_t process);
  // For who only removes them.
  static worker_cgroup holding(std::vector<std::string> folders);
  static std::vector<std::string> folders_of(pid_t process);
  worker_cgroup(worker_cgroup&& other) noexcept;
  worker_cgroup& operator=(worker_cgroup&& other) noexcept;
  ~worker_cgroup();

  // Before the process does anything: what it has by now is not counted.
  result<void> admit(pid_t process) const;
  // Whether the host ended something in it for want of memory.
  bool out_of_memory() const;
  void remove() noexcept;
  const std::vector<std::string>& folders() const noexcept { return folders_; }
  const std::string& description() const noexcept { return description_; }  // "" without limits

 private:
  std::vector<std::string> folders_;  // of the host's file system, one for each hierarchy
  std::string description_;
  pid_t owner_ = -1;
};

}  // namespace osvm::unikernel
