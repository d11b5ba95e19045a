// osvm bench decode: what decoding ledger data costs.
#include "../bench/bench.hpp"
#include "../bench/ledger.hpp"

namespace osvm::cli {
namespace {

class bench_decode final : public invocation {
 public:
  void declare(option_set&) override {}
  int run(context& ctx) override {
    return bench::run(ctx, "decode",
                      [](bench::environment&, bench::report& out) { return bench::measure_decode(out); });
  }
};

}  // namespace

extern const command cmd_bench_decode_entry;
const command cmd_bench_decode_entry{
    .path = "bench decode",
    .summary = "what base58 and decoding a token account cost",
    .examples = "  osvm bench decode\n  osvm bench decode --json",
    .make = make_invocation<bench_decode>,
};

}  // namespace osvm::cli
