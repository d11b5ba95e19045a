// The shape of a system call: data in a table, a handler that sees only this context. A handler never throws,
// keeps no process-wide state, and works without KVM.
#pragma once

#include "unikernel/controls.hpp"
#include "unikernel/files/descriptor.hpp"
#include "unikernel/memory/address_space.hpp"
#include "unikernel/thread/guest_thread.hpp"

#include <cstdint>
#include <span>

namespace osvm::unikernel {

struct instance_state;
struct process_state;

struct call_context {
  instance_state& instance;  // policy, budgets, denials, files: what all its processes share
  process_state& process;    // descriptors, signals, limits
  address_space& memory;
  guest_thread& thread;
  std::uint64_t args[6];
};

// Linux convention: a value, or -errno.
using syscall_handler = std::int64_t (*)(call_context&) noexcept;

// What policy must grant before the handler runs. Finer checks (which path, which port) are the handler's.
enum class capability : std::uint8_t {
  always,
  files,    // at least one mount (the synthetic tree is always there, so most file calls are `always`)
  listen,   // at least one granted listener
  connect,  // at least one granted target
  jit,
};

struct syscall_entry {
  std::uint16_t number;
  const char* name;
  syscall_handler call;
  capability needs = capability::always;
  // Argument shape for traces and the fuzzer: one letter each. i int, u unsigned, f descriptor, p pointer, s
  // path string, x flags, l length. Upper case P: pointer that the call writes through.
  const char* shape = "";
};

// One family of calls per file of lib/unikernel/syscalls/families; the build gathers them (osvm_registry()).
struct syscall_family {
  const char* name;
  std::span<const syscall_entry> entries;
};

std::span<const syscall_family* const> syscall_families() noexcept;

// The entry of a number, or null (-ENOSYS). Constant time.
const syscall_entry* find_syscall(std::uint64_t number) noexcept;

// Looks up, checks the capability, counts and calls. Denied: -EPERM, counted and named.
std::int64_t dispatch(call_context& ctx, std::uint64_t number) noexcept;

}  // namespace osvm::unikernel
