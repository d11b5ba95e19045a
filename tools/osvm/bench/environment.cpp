#include <osvm/kvm/floor.hpp>

#include <atomic>
#include <cstdlib>

#include "bench.hpp"

namespace osvm::cli::bench {
namespace {

// The first signal is noticed between two rounds; the second one does not wait for a round that hangs. What
// is left then (a private folder) is swept by the next command.
std::function<void(int)> patient_once() {
  return [seen = std::make_shared<std::atomic<int>>(0)](int signal) {
    if (seen->fetch_add(1) > 0) std::_Exit(128 + signal);
  };
}

}  // namespace

environment::environment(kvm::host_facts f, private_dir d)
    : facts(std::move(f)), sockets(std::move(d)), signals_(loop.get_executor(), patient_once()) {}

result<void> environment::proceed() const {
  if (interrupted_by() != 0) return error(errc::cancelled, "interrupted");
  return {};
}

int run(const context& ctx, std::string name,
        const std::function<result<void>(environment&, report&)>& measure) {
  auto env = environment::make();
  if (!env) return ctx.fail(env.error());
  report out(std::move(name), (*env)->facts);
  ctx.detail("measuring");
  const auto done = measure(**env, out);
  if ((*env)->interrupted_by() != 0) return 128 + (*env)->interrupted_by();
  return done ? out.finish(ctx) : ctx.fail(done.error());
}

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
    OSVM_CHECK(env.proceed());
    OSVM_TRY(const auto sample, kvm::measure_floor(env.facts.stub));
    first_exit.push_back(sample.first_exit_us / 1000);
    exit.push_back(sample.exit_us);
  }
  out.samples("kvm.floor.first_exit", "ms", first_exit);
  out.samples("kvm.floor.exit", "us", exit);
  return {};
}

}  // namespace osvm::cli::bench
