#include "../bench/eject.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class bench_eject final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("kills", "N", kills_, "backends killed, one after the other");
    o.value("rate", "N", rate_, "requests per second");
  }
  int run(context& ctx) override {
    auto done = measure(ctx);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<int> measure(const context& ctx) const {
    bench::eject_options options;
    OSVM_TRY(const auto kills, named("--kills", parse_count(kills_, 1, 100'000)));
    OSVM_TRY(const auto rate, named("--rate", parse_count(rate_, 1, 1'000'000)));
    options.kills = static_cast<unsigned>(kills);
    options.rate = static_cast<double>(rate);
    return bench::run(ctx, "eject", [&](bench::environment& env, bench::report& out) {
      out.without_guests();
      return bench::measure_eject(env, out, options);
    });
  }
  std::string kills_ = "20", rate_ = "1000";
};

}  // namespace

extern const command cmd_bench_eject_entry;
const command cmd_bench_eject_entry{
    .path = "bench eject",
    .summary = "kill backends behind the proxy: how soon they get nothing, and that no request is lost",
    .examples = "  osvm bench eject\n  osvm bench eject --kills 200 --json",
    .make = make_invocation<bench_eject>,
};

}  // namespace osvm::cli
