#include "../bench/bench.hpp"
#include "../values.hpp"

#include <array>

namespace osvm::cli {
namespace {

class bench_programs final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("rounds", "N", rounds_, "rounds, ours and peers in turn");
    o.values("only", "PART", only_, "measure only this part: starts, redis, web or work; may be repeated");
  }

  int run(context& ctx) override {
    const auto rounds = parse_count(rounds_, 1, 1000);
    if (!rounds) return ctx.fail(rounds.error());
    const auto parts = wanted();
    if (!parts) return ctx.fail(parts.error());
    return bench::run(ctx, "programs", [&](bench::environment& env, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_floor(env, out, 20));
      return bench::measure_programs(env, out, *parts, static_cast<unsigned>(*rounds));
    });
  }

 private:
  result<bench::program_parts> wanted() const {
    if (only_.empty()) return bench::program_parts{};
    bench::program_parts parts{false, false, false, false};
    const std::array<std::pair<const char*, bool*>, 4> names{
        {{"starts", &parts.starts}, {"redis", &parts.redis}, {"web", &parts.web}, {"work", &parts.work}}};
    for (const auto& word : only_) {
      bool known = false;
      for (const auto& [name, flag] : names)
        if (word == name) *flag = known = true;
      if (!known)
        return error(errc::invalid_argument, "--only: '" + word + "' is not starts, redis, web or work");
    }
    return parts;
  }

  std::string rounds_ = "5";
  std::vector<std::string> only_;
};

}  // namespace

extern const command cmd_bench_programs_entry;
const command cmd_bench_programs_entry{
    .path = "bench programs",
    .summary = "programs of the distribution in a VM, beside native and other sandboxes",
    .examples =
        "  osvm bench programs\n  osvm bench programs --only work --rounds 3\n"
        "  osvm bench programs --rounds 20 --json",
    .make = make_invocation<bench_programs>,
};

}  // namespace osvm::cli
