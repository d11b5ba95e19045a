#include "../bench/bench.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class bench_programs final : public invocation {
 public:
  void declare(option_set& o) override { o.value("rounds", "N", rounds_, "rounds, ours and peers in turn"); }
  int run(context& ctx) override {
    const auto rounds = parse_count(rounds_, 1, 1000);
    if (!rounds) return ctx.fail(rounds.error());
    return bench::run(ctx, "programs", [&](bench::environment& env, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_floor(env, out, 20));
      return bench::measure_programs(env, out, static_cast<unsigned>(*rounds));
    });
  }

 private:
  std::string rounds_ = "5";
};

}  // namespace

extern const command cmd_bench_programs_entry;
const command cmd_bench_programs_entry{
    .path = "bench programs",
    .summary = "redis and lighttpd in a VM, beside native and bubblewrap",
    .examples = "  osvm bench programs\n  osvm bench programs --rounds 20 --json",
    .make = make_invocation<bench_programs>,
};

}  // namespace osvm::cli
