#include "../bench/bench.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class bench_syscalls final : public invocation {
 public:
  void declare(option_set& o) override { o.value("count", "N", count_, "rounds of 200 calls of each kind"); }
  int run(context& ctx) override {
    auto done = measure(ctx);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<int> measure(const context& ctx) const {
    OSVM_TRY(const auto count, parse_count(count_, 1, 1000));
    return bench::run(ctx, "syscalls", [&](bench::environment& env, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_floor(env, out, 20));
      OSVM_CHECK(bench::measure_syscalls(env, out, static_cast<unsigned>(count)));
      return {};
    });
  }
  std::string count_ = "50";
};

}  // namespace

extern const command cmd_bench_syscalls_entry;
const command cmd_bench_syscalls_entry{
    .path = "bench syscalls",
    .summary = "system calls of a guest beside native ones and the raw exit",
    .examples = "  osvm bench syscalls\n  osvm bench syscalls --count 20 --json",
    .make = make_invocation<bench_syscalls>,
};

}  // namespace osvm::cli
