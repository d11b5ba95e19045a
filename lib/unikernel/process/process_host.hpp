// What a guest process asks of the engine that runs it. The engine implements it per process; tests without a
// VM have their own.
#pragma once

#include "kvm/registers.hpp"

#include <osvm/unikernel/report.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <vector>

namespace osvm::unikernel {

struct guest_thread;
struct program_start;  // process/program.hpp

// The first context of a thread.
struct thread_start {
  kvm::registers regs;
  std::uint64_t fs_base = 0, gs_base = 0;
  std::uint64_t clear_child_tid = 0, set_child_tid = 0, set_parent_tid = 0;
  std::uint64_t blocked_signals = 0;
  const guest_thread* parent = nullptr;
};

// fork(), vfork() and clone() of a process.
struct child_start : thread_start {
  bool shares_memory = false;  // CLONE_VM: a second process in the same address space
  bool parent_waits = false;   // CLONE_VFORK: until the child runs another program or ends
  int exit_signal = SIGCHLD;   // what the parent gets when it ends; 0: nothing
};

// Thread-safe.
class process_host {
 public:
  virtual ~process_host() = default;
  // Starts a thread with this context. Returns its tid or -errno.
  virtual std::int64_t start_thread(const thread_start& how) = 0;
  // Starts a child of the process. Returns its pid or -errno; with `parent_waits` when the child is through.
  virtual std::int64_t start_child(const child_start& how, guest_thread& caller) {
    (void)how, (void)caller;
    return -EAGAIN;
  }
  // Replaces the process's program; the caller becomes its only thread. 0: the caller has the context of the
  // new program; -errno: nothing has changed.
  virtual std::int64_t run_program(const program_start& what, guest_thread& caller) {
    (void)what, (void)caller;
    return -ENOMEM;
  }
  // exit_group(), fatal signals: ends all threads of the process; the first report wins. The instance ends
  // with its first process.
  virtual void exit(exit_report report) = 0;
  virtual bool has_thread(int tid) const = 0;
  virtual std::vector<int> threads() const { return {}; }  // their tids, ascending
  // Makes a thread leave the VM soon, to look at what its waiter says. Any thread may call it.
  virtual void kick(int tid) = 0;
  virtual std::optional<std::chrono::nanoseconds> thread_cpu_time(int tid) const = 0;
  virtual std::chrono::nanoseconds cpu_time() const = 0;  // of the process's threads
  virtual unsigned thread_count() const = 0;
};

}  // namespace osvm::unikernel
