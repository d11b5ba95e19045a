// osvm bench ledger: what questions to a ledger cost.
#include "../bench/bench.hpp"
#include "../bench/ledger.hpp"
#include "../ledger_command.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class bench_ledger final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("ledger", "DIR", folder_, "the ledger folder to measure with");
    o.value("block", "FILE", block_,
            "recorded blocks, as `ledger import` takes them: what the largest costs as JSON");
    o.value("slot", "SLOT", slot_, "of the one block, where neither it nor its file's name says");
    o.value("tables", "N", tables_, "make a ledger of about so many table files and open it");
    o.value("shreds", "DIR", shreds_, "one slot's data shreds as files d0000, d0001…");
  }
  int run(context& ctx) override {
    if (folder_.empty() && block_.empty() && shreds_.empty() && tables_.empty())
      return ctx.fail(
          error(errc::invalid_argument, "--ledger DIR, --block FILE, --shreds DIR or --tables N is needed"),
          exit_code::usage);
    const auto tables = tables_.empty() ? result<std::uint64_t>(0) : parse_count(tables_, 1, 1'000'000);
    if (!tables) return ctx.fail(tables.error(), exit_code::usage);
    std::optional<std::uint64_t> slot;
    if (!slot_.empty()) {
      const auto parsed = parse_slot(slot_);
      if (!parsed) return ctx.fail(parsed.error(), exit_code::usage);
      slot = *parsed;
    }
    return bench::run(ctx, "ledger", [&](bench::environment& env, bench::report& out) -> result<void> {
      if (!folder_.empty()) OSVM_CHECK(bench::measure_ledger(out, folder_, env.sockets.path()));
      OSVM_CHECK(env.proceed());
      if (!block_.empty()) OSVM_CHECK(bench::measure_blocks(out, block_, slot, env.sockets.path()));
      OSVM_CHECK(env.proceed());
      if (*tables) OSVM_CHECK(bench::measure_many_tables(out, env.sockets.path(), *tables));
      OSVM_CHECK(env.proceed());
      if (!shreds_.empty()) OSVM_CHECK(bench::measure_deshred(out, shreds_));
      return {};
    });
  }

 private:
  std::string folder_, block_, slot_, shreds_, tables_;
};

}  // namespace

extern const command cmd_bench_ledger_entry;
const command cmd_bench_ledger_entry{
    .path = "bench ledger",
    .summary = "opening a ledger, and what its answers cost in this process",
    .examples =
        "  osvm bench ledger --ledger ./ledger\n  osvm bench ledger --shreds ./102815960 --json\n"
        "  osvm bench ledger --tables 10000 --block blocks.jsonl",
    .make = make_invocation<bench_ledger>,
};

}  // namespace osvm::cli
