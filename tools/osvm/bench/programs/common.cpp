#include <cstdlib>
#include <fstream>

#include "programs.hpp"

namespace osvm::cli::bench {

using namespace std::chrono_literals;
using unikernel::instance;

result<finished> run_inside(const environment& env, const unikernel::image& image, const task& what) {
  const stopwatch watch;
  auto o = env.options("program");
  o.arguments = what.command;
  o.grant_libraries = true;
  o.policy.mounts = what.mounts;
  o.budgets = what.budgets;
  o.output = unikernel::stdio::capture(std::size_t{1} << 20);
  OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), image, std::move(o)));
  OSVM_TRY(const auto ended, guest.wait(120s));
  if (ended.shell_status() != 0) return error(errc::closed, what.command.front() + ": " + ended.describe());
  return finished{guest.take_output(1), watch.ms()};
}

result<finished> run_outside(const environment& env, const task& what, const sandbox* how) {
  const stopwatch watch;
  OSVM_TRY(auto child, child_process::start(how ? how->wrap(env, what.command) : what.command));
  OSVM_TRY(auto output, child.finish());
  return finished{std::move(output), watch.ms()};
}

std::vector<unikernel::mount> read_only(const words& folders) {
  std::vector<unikernel::mount> out;
  for (const auto& f : folders) out.push_back({.host_path = f, .guest_path = f, .writable = false});
  return out;
}

double resident_mib(const std::string& process) {
  std::ifstream in("/proc/" + process + "/smaps_rollup");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("Pss:")) return std::strtod(line.c_str() + 4, nullptr) / 1024;
  return 0;
}

void comparison::add(double ours, double native) {
  ours_.push_back(ours);
  native_.push_back(native);
  ratios_.push_back(ours / native);
}

void comparison::print(report& out, const std::string& name, const std::string& unit) const {
  out.samples(name, unit, ours_);
  out.samples(name + ".native", unit, native_);
  out.samples(name + ".ratio", "", ratios_);
}

}  // namespace osvm::cli::bench
