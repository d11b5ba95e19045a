// From nothing to a program's end: what the isolation itself costs.
#include "programs.hpp"

namespace osvm::cli::bench {
namespace {

struct start {
  std::string name;
  task what;
  unsigned per_round;
};

result<void> measure_starts(environment& env, report& out, const std::vector<sandbox>& peers, const start& s,
                            unsigned rounds) {
  OSVM_TRY(const auto image, unikernel::image::load(s.what.command.front()));
  comparison native;
  std::vector<std::vector<double>> wrapped(peers.size()), wrapped_ratios(peers.size());
  for (unsigned i = 0; i < rounds * s.per_round; ++i) {
    OSVM_CHECK(env.proceed());
    OSVM_TRY(const auto ours, run_inside(env, image, s.what));
    OSVM_TRY(const auto bare, run_outside(env, s.what, nullptr));
    native.add(ours.ms, bare.ms);
    for (std::size_t p = 0; p < peers.size(); ++p) {
      OSVM_TRY(const auto theirs, run_outside(env, s.what, &peers[p]));
      wrapped[p].push_back(theirs.ms);
      wrapped_ratios[p].push_back(ours.ms / theirs.ms);
    }
  }
  native.print(out, s.name, "ms");
  for (std::size_t p = 0; p < peers.size(); ++p) {
    out.samples(s.name + "." + peers[p].name, "ms", wrapped[p]);
    out.samples(s.name + ".ratio_to_" + peers[p].name, "", wrapped_ratios[p]);
  }
  return {};
}

}  // namespace

result<void> measure_starts(environment& env, report& out, const std::vector<sandbox>& peers,
                            unsigned rounds) {
  OSVM_CHECK(measure_starts(env, out, peers, {"true.exit", {.command = {"/bin/true"}}, 4}, rounds));
  const task idle_python{.command = {"/usr/bin/python3.11", "-c", "pass"},
                         .mounts = read_only({"/usr/lib/python3.11"})};
  return measure_starts(env, out, {}, {"python_pass.exit", idle_python, 2}, rounds);
}

}  // namespace osvm::cli::bench
