// What Linux keeps per process, but for its memory: descriptors, signals, timers, limits, where it stands in
// the file tree and what it is called. Handlers see it as call_context::process. Thread-safe.
#pragma once

#include "unikernel/files/descriptor.hpp"
#include "unikernel/files/locks.hpp"
#include "unikernel/limits.hpp"
#include "unikernel/process/process_host.hpp"
#include "unikernel/signals/process_signals.hpp"
#include "unikernel/signals/timers.hpp"

#include <osvm/unikernel/policy.hpp>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

namespace osvm::unikernel {

struct process_state {
  process_state(int id, const budgets& b, process_host& h, std::shared_ptr<descriptor_account> all = nullptr)
      : pid(id),
        host(h),
        descriptors(b.descriptors, std::move(all)),
        signals([&h](int tid) { h.kick(tid); }),
        limits(b.descriptors, b.threads, max_queued_signals) {}

  const int pid;
  process_host& host;
  descriptor_table descriptors;
  lock_table locks;
  std::string working_directory = "/";  // guarded by cwd_lock
  std::mutex cwd_lock;
  std::atomic<std::uint32_t> umask{022};
  process_signals signals;
  guest_timers timers{signals, host};
  guest_limits limits;
  std::atomic<int> parent_death_signal{0};  // PR_SET_PDEATHSIG

  // The program: what /proc/self/exe and /proc/self/cmdline say.
  std::string executable() const;
  std::vector<std::string> arguments() const;
  void set_program(std::string executable, std::vector<std::string> arguments);
  // As it was laid on the program's stack, with its AT_NULL.
  std::vector<std::uint64_t> auxiliary() const;
  void set_auxiliary(std::vector<std::uint64_t> words);

  // fork(): what a child has of its parent. Before the child runs.
  void inherit(process_state& parent);
  // execve(): what does not outlive a program.
  void forget_program(guest_thread& caller);

 private:
  mutable std::mutex program_lock_;
  std::string executable_ = "/app";
  std::vector<std::string> arguments_;
  std::vector<std::uint64_t> auxiliary_;
};

}  // namespace osvm::unikernel
