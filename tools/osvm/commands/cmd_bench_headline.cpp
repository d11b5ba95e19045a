#include "../bench/bench.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class bench_headline final : public invocation {
 public:
  void declare(option_set& o) override { (void)o; }
  int run(context& ctx) override {
    auto done = measure(ctx);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<int> measure(const context& ctx) const {
    return bench::run(ctx, "headline", [&](bench::environment& env, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_floor(env, out, 30));
      OSVM_CHECK(bench::measure_boot(env, out, {.hello_rounds = 100, .http_rounds = 30}));
      OSVM_CHECK(bench::measure_vsock(env, out, {.round_trips = 2000}));
      OSVM_CHECK(bench::measure_kill(env, out, 20));
      OSVM_CHECK(bench::measure_swap(env, out, {}));
      OSVM_CHECK(bench::measure_restart(env, out, {}));
      return {};
    });
  }
};

}  // namespace

extern const command cmd_bench_headline_entry;
const command cmd_bench_headline_entry{
    .path = "bench headline",
    .summary = "boot, vsock, memory, shift and lost requests in one table: the README's",
    .examples = "  osvm bench headline\n  osvm bench headline --json",
    .make = make_invocation<bench_headline>,
};

}  // namespace osvm::cli
