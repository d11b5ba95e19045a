#include "../bench/bench.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class bench_boot final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("count", "N", count_, "hello runs");
    o.value("http-count", "N", http_count_, "servers started one by one");
    o.value("alive", "N", alive_, "servers alive at once");
  }
  int run(context& ctx) override {
    auto done = measure(ctx);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<int> measure(const context& ctx) const {
    bench::boot_options options;
    OSVM_TRY(const auto count, named("--count", parse_count(count_, 0, 100'000)));
    OSVM_TRY(const auto http_count, named("--http-count", parse_count(http_count_, 0, 100'000)));
    OSVM_TRY(const auto alive, named("--alive", parse_count(alive_, 0, 10'000)));
    options.hello_rounds = static_cast<unsigned>(count);
    options.http_rounds = static_cast<unsigned>(http_count);
    options.alive = static_cast<unsigned>(alive);
    return bench::run(ctx, "boot", [&](bench::environment& env, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_floor(env, out, 50));
      OSVM_CHECK(bench::measure_boot(env, out, options));
      return {};
    });
  }
  std::string count_ = "200", http_count_ = "50", alive_ = "200";
};

}  // namespace

extern const command cmd_bench_boot_entry;
const command cmd_bench_boot_entry{
    .path = "bench boot",
    .summary = "start a program, a server, and many servers at once",
    .examples = "  osvm bench boot\n  osvm bench boot --count 1000 --alive 0 --json",
    .make = make_invocation<bench_boot>,
};

}  // namespace osvm::cli
