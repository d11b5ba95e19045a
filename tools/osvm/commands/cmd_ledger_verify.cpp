#include <osvm/core/text.hpp>
#include <osvm/ledger/verify.hpp>

#include <algorithm>
#include <thread>

#include "../ledger_command.hpp"
#include "../progress.hpp"
#include "../stop_flag.hpp"

namespace osvm::cli {
namespace {

class ledger_verify final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("ledger", folder_, {}, "the ledger folder, or its database folder");
    o.value("from", "SLOT", from_, "first slot");
    o.value("to", "SLOT", to_, "last slot (default: the highest)");
  }
  int run(context& ctx) override {
    const auto range = parse_slot_range(from_, to_);
    if (!range) return ctx.fail(range.error(), exit_code::usage);
    const auto done = verify(ctx, *range);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<int> verify(const context& ctx, const slot_range& range) const {
    OSVM_TRY(const auto opened, open_ledger(folder_));
    const stop_flag stop;
    std::vector<std::string> problems;
    ledger::verify_ledger_options options{.from = range.from, .to = range.to};
    options.threads = std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
    options.found = [&](const ledger::ledger_problem& p) {
      problems.push_back("slot " + std::to_string(p.slot) + ": " + printable(p.what));
    };
    ledger::ledger_check checked;
    {
      progress bar(ctx, "verifying");
      const auto b = opened.store.bounds();
      const auto first = std::max(range.from, b->lowest.value_or(0));
      const auto last = std::min(range.to, b->highest.value_or(0));
      const auto slots = last >= first ? last - first + 1 : 0;
      options.progress = [&](ledger::slot_t slot, std::uint64_t) {
        bar.update(slot >= first ? slot - first : 0, slots, "slot " + std::to_string(slot));
        return !stop.raised();
      };
      OSVM_TRY(checked, ledger::verify_ledger(opened.store, options));
    }
    report(ctx, opened, checked, problems);
    if (checked.stopped_at) return stop.exit_status();
    return static_cast<int>(checked.problems ? exit_code::failed : exit_code::done);
  }
  static void report(const context& ctx, const opened_ledger& l, const ledger::ledger_check& f,
                     const std::vector<std::string>& problems) {
    if (ctx.json()) return report_json(ctx, l, f, problems);
    for (const auto& p : problems) ctx.print(ctx.bad("bad") + "  " + p + "\n");
    ctx.print(std::to_string(f.blocks) + " blocks, " + std::to_string(f.entries) + " entries, " +
              std::to_string(f.transactions) + " transactions: " +
              (problems.empty() ? ctx.good("all hold") : std::to_string(problems.size()) + " problems") +
              "\n");
    if (f.unproven)
      ctx.note(std::to_string(f.unproven) + " blocks came from where no Proof of History is recorded");
    if (f.stopped_at)
      ctx.note("interrupted: --from " + std::to_string(*f.stopped_at) + " goes on from there");
    note_lost(ctx, l.store);
  }
  static void report_json(const context& ctx, const opened_ledger& l, const ledger::ledger_check& f,
                          const std::vector<std::string>& problems) {
    std::string text;
    solana::json_writer out(text);
    out.begin_object();
    out.field("blocks", f.blocks);
    out.field("entries", f.entries);
    out.field("transactions", f.transactions);
    out.field("withoutProofOfHistory", f.unproven);
    out.key("problems");
    out.begin_array();
    for (const auto& p : problems) out.string(p);
    out.end_array();
    if (f.stopped_at) out.field("stoppedAt", *f.stopped_at);
    write_lost(out, l.store);
    out.end_object();
    print_json_text(ctx, text);
  }
  std::string folder_, from_ = "0", to_;
};

}  // namespace

extern const command cmd_ledger_verify_entry;
const command cmd_ledger_verify_entry{
    .path = "ledger verify",
    .summary = "check Proof of History, signatures and statuses of a ledger's blocks",
    .examples = "  osvm ledger verify ./ledger\n  osvm ledger verify ./ledger --from 100 --to 200",
    .make = make_invocation<ledger_verify>,
};

}  // namespace osvm::cli
