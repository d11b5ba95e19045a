// osvm bench audit: how fast sources are audited, and how much is said about them.
#include "../bench/audit.hpp"
#include "../bench/bench.hpp"

namespace osvm::cli {
namespace {

class bench_audit final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("PATH", options_.path, {}, "folder with the sources of programs");
    o.flag("single", single_, "one thread");
  }
  int run(context& ctx) override {
    options_.threads = single_ ? 1 : 2;
    return bench::run(ctx, "audit", [this](bench::environment&, bench::report& out) {
      return bench::measure_audit(out, options_);
    });
  }

 private:
  bench::audit_bench options_;
  bool single_ = false;
};

}  // namespace

extern const command cmd_bench_audit_entry;
const command cmd_bench_audit_entry{
    .path = "bench audit",
    .summary = "lines of code per second that `osvm audit` reads, and findings per thousand of them",
    .examples = "  osvm bench audit token/program\n  osvm bench audit token/program --single --json",
    .make = make_invocation<bench_audit>,
};

}  // namespace osvm::cli
