// osvm bench rpc: the JSON-RPC server in this process, on the host and in a VM.
#include <filesystem>

#include "../bench/rpc.hpp"

namespace osvm::cli {
namespace {

class bench_rpc final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("ledger", "DIR", folder_, "the ledger folder to measure with");
  }
  int run(context& ctx) override {
    if (folder_.empty())
      return ctx.fail(error(errc::invalid_argument, "--ledger DIR is needed"), exit_code::usage);
    std::error_code failed;
    const auto folder = std::filesystem::canonical(folder_, failed).string();
    if (failed) return ctx.fail(error(failed, "--ledger"));
    return bench::run(ctx, "rpc", [&](bench::environment& env, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_rpc(env, out, {.folder = folder}));
      OSVM_CHECK(env.proceed());
      return bench::measure_rpc_pool(env, out, {.folder = folder});
    });
  }

 private:
  std::string folder_;
};

}  // namespace

extern const command cmd_bench_rpc_entry;
const command cmd_bench_rpc_entry{
    .path = "bench rpc",
    .summary = "JSON-RPC over a ledger: answers per second in process, on the host and inside a VM",
    .examples = "  osvm bench rpc --ledger ./ledger\n  osvm bench rpc --ledger ./ledger --json",
    .make = make_invocation<bench_rpc>,
};

}  // namespace osvm::cli
