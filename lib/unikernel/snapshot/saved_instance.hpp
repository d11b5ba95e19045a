// What a template holds of a guest that stood still: everything but what names the host. Immutable; shared by
// all who spawn from it.
#pragma once

#include "kvm/registers.hpp"
#include "unikernel/limits.hpp"
#include "unikernel/memory/saved_memory.hpp"
#include "unikernel/signals/frame.hpp"
#include "unikernel/signals/signal.hpp"
#include "unikernel/snapshot/saved_descriptors.hpp"

#include <osvm/unikernel/instance.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace osvm::unikernel {

// A guest thread between two instructions. One that was inside a system call stands before it: it makes the
// call anew.
struct saved_thread {
  int tid = 0;
  kvm::registers user;
  std::uint64_t fs_base = 0, gs_base = 0;
  signal_mask blocked = 0;
  alternate_stack stack;
  std::uint64_t clear_child_tid = 0, robust_list = 0;
  std::array<char, 16> name{};
  xstate_bytes xstate{};
};

struct saved_process {
  std::vector<saved_thread> threads;
  saved_descriptors descriptors;
  std::string working_directory = "/";
  std::uint32_t umask = 022;
  std::array<signal_action, max_signal + 1> actions{};
  std::array<guest_limits::pair, RLIM_NLIMITS> limits{};
  std::string executable;
  std::vector<std::string> arguments;
  std::vector<std::uint64_t> auxiliary;
};

struct saved_instance {
  image program;
  instance_options options;  // as the first instance had them; without its stdio and its handler of events
  kvm::host_facts facts;
  saved_memory memory;
  saved_process process;
  int next_id = 0;  // of threads
};

}  // namespace osvm::unikernel
