#include "../bench/bench.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class bench_fork final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("count", "N", count_, "children and clones of each kind");
    o.value("alive", "N", alive_, "clones at once (0: none)");
  }
  int run(context& ctx) override {
    auto done = measure(ctx);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<int> measure(const context& ctx) const {
    OSVM_TRY(const auto count, parse_count(count_, 1, 1000));
    OSVM_TRY(const auto alive, parse_count(alive_, 0, 4000));
    return bench::run(ctx, "fork", [&](bench::environment& env, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_floor(env, out, 20));
      OSVM_CHECK(bench::measure_forks(env, out, static_cast<unsigned>(count)));
      return bench::measure_templates(
          env, out, {.rounds = static_cast<unsigned>(count), .alive = static_cast<unsigned>(alive)});
    });
  }
  std::string count_ = "50", alive_ = "1000";
};

}  // namespace

extern const command cmd_bench_fork_entry;
const command cmd_bench_fork_entry{
    .path = "bench fork",
    .summary = "clones of a warm server, and processes of a guest (fork, execve, wait) beside native ones",
    .examples = "  osvm bench fork\n  osvm bench fork --count 20 --alive 0 --json",
    .make = make_invocation<bench_fork>,
};

}  // namespace osvm::cli
