// The host calls that a program's vCPU threads make, counted by tracing it.
#pragma once

#include <osvm/core/error.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace osvm::cli::bench {

struct host_calls {
  std::map<unsigned, std::uint64_t> on_guest_threads;  // by number; threads that entered a VM
  std::uint64_t entries = 0;                           // KVM_RUN among them
  std::uint64_t elsewhere = 0;                         // all other threads
};

// Runs the command to its end under ptrace, its output discarded. `beside` runs in a thread of its own
// meanwhile, with the command's process id: a client, which must make the command end (and must start no
// children). errc::closed when it ends with another status than `expected`; errc::unsupported where tracing
// is forbidden.
struct traced_run {
  std::vector<std::string> command;
  std::function<result<void>(int pid)> beside;
  int expected = 0;  // 128+n: ended by a signal, or so said by its status
};
result<host_calls> count_host_calls(const traced_run& what);

// Bytes of functions in this program's own symbol table whose names lie in one of the C++ namespaces
// osvm::<module>, by module. Fails with errc::unsupported for a stripped program.
result<std::map<std::string, std::uint64_t>> text_bytes(const std::vector<std::string>& modules);
// _etext - _stext of the running kernel; errc::unsupported where /proc/kallsyms hides addresses.
result<std::uint64_t> kernel_text_bytes();

}  // namespace osvm::cli::bench
