// Lays a program out in an address space as execve(2) does: segments, break, stack with argv, envp and auxv,
// vDSO.
#pragma once

#include "kvm/registers.hpp"
#include "unikernel/elf/image_data.hpp"
#include "unikernel/memory/address_space.hpp"
#include "unikernel/process/loader.hpp"
#include "unikernel/vdso/clock_page.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace osvm::unikernel {

struct process_options {
  std::vector<std::string> arguments, environment;
  bool clock_page = false;  // guests read the host's TSC, so the vDSO works
  bool fsgsbase = false;
  std::string executable = "/app";      // the name of the program's mappings
  std::string called;                   // AT_EXECFN; empty: `executable`
  const loader_file* loader = nullptr;  // of a dynamic program
};

struct process_start {
  kvm::registers regs;
  unikernel::clock_page* clock = nullptr;  // null without a vDSO
  std::vector<std::uint64_t> auxiliary;    // the auxiliary vector, with its AT_NULL
};

// Maps the vDSO and the page that it reads, which is returned. Null: no room.
clock_page* map_vdso(address_space& memory);

result<process_start> set_up_process(address_space& memory, const detail::image_data& image,
                                     const process_options& options);

}  // namespace osvm::unikernel
