// One guest thread: what Linux keeps per task. Its registers are a plain value while a system call is served; the
// engine moves them to and from the vCPU.
#pragma once

#include "kvm/registers.hpp"
#include "unikernel/thread/waiter.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace osvm::unikernel {

struct guest_thread {
  explicit guest_thread(int id) noexcept : tid(id) {}

  const int tid;
  kvm::registers* regs = nullptr;     // of the guest at this system call; valid while it is served
  std::uint64_t fs_base = 0, gs_base = 0;
  bool bases_changed = false;         // the engine loads fs_base/gs_base before the next entry
  bool context_changed = false;       // regs hold a whole user context (not a system call's result)
  bool exiting = false;               // exit(2): the thread ends when the call returns
  std::uint64_t clear_child_tid = 0;
  std::uint64_t robust_list = 0;
  std::uint64_t signal_mask = 0;
  std::uint64_t alt_stack = 0, alt_stack_size = 0;
  std::uint32_t alt_stack_flags = 2;  // SS_DISABLE
  char name[16] = {};
  std::atomic<std::uint64_t> pending_signals{0};
  waiter wait;
};

}  // namespace osvm::unikernel
