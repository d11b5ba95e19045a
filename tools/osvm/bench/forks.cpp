// What processes cost inside a guest: fork, vfork and execve, beside the same program as native processes.
#include "../guest_programs.hpp"
#include "own_clock.hpp"

namespace osvm::cli::bench {

result<void> measure_forks(environment& env, report& out, unsigned rounds) {
  OSVM_TRY(const auto path, find_guest("forks"));
  OSVM_TRY(const auto program, unikernel::image::load(path));
  const std::string count = std::to_string(rounds);
  OSVM_CHECK(env.proceed());
  OSVM_TRY(const auto inside, run_guest(env, program, "forks", count, false));
  OSVM_CHECK(env.proceed());
  OSVM_TRY(const auto native, run_native(path, count));
  for (const auto& [name, us] : by_own_clock(inside)) out.samples(name + ".guest", "us", us);
  for (const auto& [name, us] : by_own_clock(native)) out.samples(name + ".native", "us", us);
  return {};
}

}  // namespace osvm::cli::bench
