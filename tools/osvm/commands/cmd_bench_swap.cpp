#include "../bench/bench.hpp"
#include "../bench/mixed.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class bench_swap final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("shifts", "N", shifts_, "replacements in each mode");
    o.value("rate", "N", rate_, "requests per second");
    o.flag("mixed", mixed_,
           "every kind of traffic at once: keep-alive, close, TLS, HTTP/2, uploads, events, WebSocket, TCP");
  }
  int run(context& ctx) override {
    auto done = measure(ctx);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<int> measure(const context& ctx) const {
    bench::swap_options options;
    OSVM_TRY(const auto shifts, named("--shifts", parse_count(shifts_, 1, 10'000)));
    OSVM_TRY(const auto rate, named("--rate", parse_count(rate_, 1, 1'000'000)));
    options.shifts = static_cast<unsigned>(shifts);
    options.rate = static_cast<double>(rate);
    if (mixed_) {
      return bench::run(ctx, "swap", [&](bench::environment& env, bench::report& out) {
        return bench::measure_mixed(env, out, {.shifts = options.shifts, .rate = options.rate});
      });
    }
    return bench::run(ctx, "swap", [&](bench::environment& env, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_floor(env, out, 20));
      OSVM_CHECK(bench::measure_swap(env, out, options));
      return {};
    });
  }
  std::string shifts_ = "20", rate_ = "2200";
  bool mixed_ = false;
};

}  // namespace

extern const command cmd_bench_swap_entry;
const command cmd_bench_swap_entry{
    .path = "bench swap",
    .summary = "replace releases under load, with keep-alive and with a connection per request",
    .examples =
        "  osvm bench swap\n  osvm bench swap --shifts 100 --rate 5000 --json\n"
        "  osvm bench swap --mixed --shifts 1000 --rate 500",
    .make = make_invocation<bench_swap>,
};

}  // namespace osvm::cli
