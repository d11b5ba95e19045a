#include <osvm/kvm/floor.hpp>

#include "bench.hpp"

namespace osvm::cli::bench {

result<std::unique_ptr<environment>> environment::make() {
  OSVM_TRY(auto facts, kvm::probe_host());
  OSVM_TRY(auto sockets, private_dir::make("bench"));
  return std::unique_ptr<environment>(new environment(std::move(facts), std::move(sockets)));
}

unikernel::instance_options environment::options(const std::string& name) const {
  unikernel::instance_options out;
  out.name = name;
  out.socket_dir = sockets.path();
  out.facts = &facts;
  return out;
}

result<void> measure_floor(const environment& env, report& out, unsigned rounds) {
  std::vector<double> first_exit;
  std::vector<double> exit;
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_TRY(const auto sample, kvm::measure_floor(env.facts.stub));
    first_exit.push_back(sample.first_exit_us / 1000);
    exit.push_back(sample.exit_us);
  }
  out.samples("kvm.floor.first_exit", "ms", first_exit);
  out.samples("kvm.floor.exit", "us", exit);
  return {};
}

}  // namespace osvm::cli::bench
