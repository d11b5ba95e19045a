#include <osvm/ledger/ledger_export.hpp>

#include <atomic>
#include <thread>

#include "../ledger_command.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

struct findings {
  std::uint64_t blocks = 0, entries = 0, transactions = 0;
  std::uint64_t unproven = 0;  // blocks whose Proof of History was never recorded
  std::vector<std::string> problems;
};

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
    const auto opened = open_ledger(folder_);
    if (!opened) return ctx.fail(opened.error());
    findings found;
    const auto done = opened->store.each_meta(range->from, [&](const ledger::slot_meta& m) {
      if (m.slot > range->to) return false;
      if (m.full()) check(opened->store, m, found);
      return true;
    });
    if (!done) return ctx.fail(done.error());
    report(ctx, *opened, found);
    return static_cast<int>(found.problems.empty() ? exit_code::done : exit_code::failed);
  }

 private:
  // Proof of History from the parent's hash on, signatures, and a status for each transaction.
  static void check(const ledger::blockstore& store, const ledger::slot_meta& m, findings& out) {
    auto problem = [&](const std::string& what) {
      out.problems.push_back("slot " + std::to_string(m.slot) + ": " + what);
    };
    const auto b = store.read_block(m.slot);
    if (!b) return problem(b.error().to_string());
    if (ledger::is_hash_only(**b)) return;  // a parent's hash, not a block
    ++out.blocks;
    out.entries += (*b)->entries().size();
    out.transactions += (*b)->transactions().size();
    if (!ledger::has_proof(**b)) {
      ++out.unproven;
    } else if (m.parent && m.slot != 0) {
      if (const auto start = store.blockhash(*m.parent)) check_history(**b, *start, problem);
    }
    for (const auto& tx : (*b)->transactions()) {
      if (!solana::sanitize(tx) || !solana::verify_signatures(tx)) {
        problem("a transaction whose signatures do not hold");
        continue;
      }
      const auto status = store.status(tx.signatures[0], m.slot);
      if (!status || !*status) problem("no status for " + tx.signatures[0].to_string());
    }
  }
  template <class F>
  static void check_history(const ledger::block& b, const solana::hash& start, F problem) {
    const std::size_t count = b.entries().size();
    const auto parts =
        ledger::split_by_hashes(b, std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 16));
    std::atomic<std::size_t> bad = count;
    auto part = [&](std::size_t i) {
      const auto at = ledger::verify_poh(b, start, parts[i], parts[i + 1]);
      for (auto seen = bad.load(); at < parts[i + 1] && at < seen && !bad.compare_exchange_weak(seen, at);) {
      }
    };
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i + 1 < parts.size(); ++i) threads.emplace_back(part, i);
    part(0);
    threads.clear();
    if (bad < count) problem("entry " + std::to_string(bad.load()) + " does not follow from the one before");
  }
  static void report(const context& ctx, const opened_ledger& l, const findings& f) {
    if (!ctx.json()) {
      for (const auto& p : f.problems) ctx.print(ctx.bad("bad") + "  " + p + "\n");
      ctx.print(
          std::to_string(f.blocks) + " blocks, " + std::to_string(f.entries) + " entries, " +
          std::to_string(f.transactions) + " transactions: " +
          (f.problems.empty() ? ctx.good("all hold") : std::to_string(f.problems.size()) + " problems") +
          "\n");
      if (f.unproven)
        ctx.note(std::to_string(f.unproven) + " blocks came from where no Proof of History is recorded");
      note_lost(ctx, l.store);
      return;
    }
    std::string text;
    solana::json_writer out(text);
    out.begin_object();
    out.field("blocks", f.blocks);
    out.field("entries", f.entries);
    out.field("transactions", f.transactions);
    out.field("withoutProofOfHistory", f.unproven);
    out.key("problems");
    out.begin_array();
    for (const auto& p : f.problems) out.string(p);
    out.end_array();
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
