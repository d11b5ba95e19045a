// A guest's process as an ELF core file (elf(5), ET_CORE), as Linux writes it and gdb reads it.
#pragma once

#include "unikernel/memory/address_space.hpp"
#include "unikernel/snapshot/saved_instance.hpp"

#include <osvm/core/error.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace osvm::unikernel {

struct core_facts {
  std::vector<saved_thread> threads;  // the first is the one that it is about
  int pid = 0, signal = 0;            // 0: of a process that did not end
  std::string executable;
  std::vector<std::string> arguments;
  std::vector<std::uint64_t> auxiliary;  // as the program was given it, with its AT_NULL
  std::uint64_t xstate_features = 3;     // XCR0
  std::uint32_t xstate_size = 0;
};

// From the file's beginning, which is empty. The process stands still. Memory that was never touched is a
// hole of the file. Errors: an errno; what was written is then of no use.
result<void> write_core(int fd, address_space& memory, const core_facts& facts);

}  // namespace osvm::unikernel
