// One guest thread: what Linux keeps per task. Its registers are a plain value while a system call is served;
// the engine moves them to and from the vCPU.
#pragma once

#include "kvm/registers.hpp"
#include "unikernel/signals/frame.hpp"
#include "unikernel/signals/thread_signals.hpp"
#include "unikernel/thread/waiter.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace osvm::unikernel {

struct guest_thread {
  explicit guest_thread(int id) noexcept : tid(id) {}

  int tid;                         // execve() by a thread other than the first gives it the first one's
  kvm::registers* regs = nullptr;  // of the guest at this system call; valid while it is served
  std::uint64_t fs_base = 0, gs_base = 0;
  bool bases_changed = false;  // the engine loads fs_base/gs_base before the next entry
  std::unique_ptr<signal_context>
      context;  // set by rt_sigreturn: what is loaded instead of the call's result
  // A call that a signal stopped is made again without entering the guest: its deadline is that of the first
  // attempt.
  bool repeated = false;
  deadline first_deadline;
  bool exiting = false;  // exit(2): the thread ends when the call returns
  std::uint64_t clear_child_tid = 0;
  std::uint64_t robust_list = 0;
  thread_signals signals;
  char name[16] = {};
  waiter wait;

  // The deadline of a call that starts now, or that of its first attempt.
  deadline keep(deadline d) noexcept { return repeated ? first_deadline : first_deadline = d; }
};

}  // namespace osvm::unikernel
