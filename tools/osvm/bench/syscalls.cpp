// What a system call costs: the same program in a guest and as a native process, by its own clock.
#include "../guest_programs.hpp"
#include "own_clock.hpp"

namespace osvm::cli::bench {

result<void> measure_syscalls(environment& env, report& out, unsigned rounds) {
  OSVM_TRY(const auto path, find_guest("calls"));
  OSVM_TRY(const auto program, unikernel::image::load(path));
  const std::string count = std::to_string(rounds);
  OSVM_CHECK(env.proceed());
  OSVM_TRY(const auto inside, run_guest(env, program, "calls", count, false));
  OSVM_CHECK(env.proceed());
  OSVM_TRY(const auto exitless, run_guest(env, program, "calls", count, true));
  OSVM_CHECK(env.proceed());
  OSVM_TRY(const auto native, run_native(path, count));
  for (const auto& [name, us] : by_own_clock(inside)) out.samples("syscall.guest." + name, "us", us);
  for (const auto& [name, us] : by_own_clock(exitless)) out.samples("syscall.exitless." + name, "us", us);
  for (const auto& [name, us] : by_own_clock(native)) out.samples("syscall.native." + name, "us", us);
  return {};
}

}  // namespace osvm::cli::bench
