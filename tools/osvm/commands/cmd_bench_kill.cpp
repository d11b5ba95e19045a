#include "../bench/bench.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class bench_kill final : public invocation {
 public:
  void declare(option_set& o) override { o.value("count", "N", count_, "guests of each kind"); }
  int run(context& ctx) override {
    auto done = measure(ctx);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<int> measure(const context& ctx) const {
    OSVM_TRY(const auto count, named("--count", parse_count(count_, 1, 100'000)));
    return bench::run(ctx, "kill", [&](bench::environment& env, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_floor(env, out, 20));
      OSVM_CHECK(bench::measure_kill(env, out, static_cast<unsigned>(count)));
      return {};
    });
  }
  std::string count_ = "40";
};

}  // namespace

extern const command cmd_bench_kill_entry;
const command cmd_bench_kill_entry{
    .path = "bench kill",
    .summary = "end guests that spin or block",
    .examples = "  osvm bench kill\n  osvm bench kill --count 200 --json",
    .make = make_invocation<bench_kill>,
};

}  // namespace osvm::cli
