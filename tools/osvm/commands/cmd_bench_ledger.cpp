// osvm bench ledger: what questions to a ledger cost.
#include "../bench/bench.hpp"
#include "../bench/ledger.hpp"

namespace osvm::cli {
namespace {

class bench_ledger final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("ledger", "DIR", folder_, "the ledger folder to measure with");
    o.value("shreds", "DIR", shreds_, "one slot's data shreds as files d0000, d0001…");
  }
  int run(context& ctx) override {
    if (folder_.empty() && shreds_.empty())
      return ctx.fail(error(errc::invalid_argument, "--ledger DIR or --shreds DIR is needed"),
                      exit_code::usage);
    return bench::run(ctx, "ledger", [this](bench::environment& env, bench::report& out) -> result<void> {
      if (!folder_.empty()) OSVM_CHECK(bench::measure_ledger(out, folder_));
      OSVM_CHECK(env.proceed());
      if (!shreds_.empty()) OSVM_CHECK(bench::measure_deshred(out, shreds_));
      return {};
    });
  }

 private:
  std::string folder_, shreds_;
};

}  // namespace

extern const command cmd_bench_ledger_entry;
const command cmd_bench_ledger_entry{
    .path = "bench ledger",
    .summary = "opening a ledger, and what its answers cost in this process",
    .examples = "  osvm bench ledger --ledger ./ledger\n  osvm bench ledger --shreds ./102815960 --json",
    .make = make_invocation<bench_ledger>,
};

}  // namespace osvm::cli
