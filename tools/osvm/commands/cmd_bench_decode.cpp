// osvm bench decode: what decoding ledger data costs.
#include "../bench/bench.hpp"
#include "../bench/decode_peers.hpp"
#include "../bench/ledger.hpp"

namespace osvm::cli {
namespace {

class bench_decode final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("python", "PROGRAM", peers_.python, "a Python that has solders, to measure beside");
    o.value("node-modules", "DIR", peers_.node_modules,
            "a folder of npm packages with @solana/kit, to measure beside");
  }
  int run(context& ctx) override {
    return bench::run(ctx, "decode", [this](bench::environment&, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_decode(out));
      bench::measure_decode_peers(out, peers_);
      return {};
    });
  }

 private:
  bench::decode_peers peers_;
};

}  // namespace

extern const command cmd_bench_decode_entry;
const command cmd_bench_decode_entry{
    .path = "bench decode",
    .summary = "what base58, decoding a token account and hashing accounts cost",
    .examples =
        "  osvm bench decode\n  osvm bench decode --json\n"
        "  osvm bench decode --python venv/bin/python --node-modules ./node_modules",
    .make = make_invocation<bench_decode>,
};

}  // namespace osvm::cli
