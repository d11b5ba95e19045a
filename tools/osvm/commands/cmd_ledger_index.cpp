#include <osvm/core/text.hpp>
#include <osvm/ledger/side_index.hpp>

#include "../ledger_command.hpp"
#include "../progress.hpp"
#include "../stop_flag.hpp"

namespace osvm::cli {
namespace {

class ledger_index final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("ledger", folder_, {}, "the ledger folder, or its database folder");
    o.value("index", "DIR", index_,
            "where to keep it (default: below $XDG_STATE_HOME/osvm, by the ledger's path)");
    o.value("addresses", "WHICH", addresses_, "missing: of slots without history; all; none");
  }
  int run(context& ctx) override {
    ledger::index_options options;
    if (addresses_ == "all")
      options.addresses = ledger::index_addresses::all;
    else if (addresses_ == "none")
      options.addresses = ledger::index_addresses::none;
    else if (addresses_ != "missing")
      return ctx.fail(error(errc::invalid_argument, "--addresses: missing, all or none"), exit_code::usage);
    const auto done = build(ctx, options);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<int> build(const context& ctx, ledger::index_options& options) const {
    OSVM_TRY(const auto store, ledger::blockstore::open(folder_));
    OSVM_TRY(const auto at, index_.empty() ? make_index_folder(folder_) : result<std::string>(index_));
    const stop_flag stop;
    ledger::index_stats stats;
    {
      progress bar(ctx, "indexing");
      options.progress = [&](std::uint64_t slots, std::uint64_t of) {
        bar.update(slots, of, std::to_string(slots) + " of " + std::to_string(of) + " slots");
        return !stop.raised();
      };
      OSVM_TRY(stats, ledger::build_side_index(store, at, options));
    }
    report(ctx, at, stats);
    note_lost(ctx, store);
    if (stats.stopped) {
      ctx.note("interrupted: what is done stays, the next run goes on from there");
      return stop.exit_status();
    }
    return static_cast<int>(stats.unreadable ? exit_code::partly : exit_code::done);
  }
  static void report(const context& ctx, const std::string& at, const ledger::index_stats& s) {
    if (!ctx.json()) {
      ctx.print(std::to_string(s.slots) + " slots added, " + std::to_string(s.known) + " known, " +
                std::to_string(s.transactions) + " transactions, " + std::to_string(s.addresses) +
                " address rows\n" + printable(at, 4096) + "\n");
      if (s.unreadable) ctx.note(std::to_string(s.unreadable) + " slots could not be read");
      return;
    }
    std::string text;
    solana::json_writer out(text);
    out.begin_object();
    out.field("index", std::string_view(at));
    out.field("slots", s.slots);
    out.field("known", s.known);
    out.field("transactions", s.transactions);
    out.field("addresses", s.addresses);
    out.field("unreadable", s.unreadable);
    out.end_object();
    print_json_text(ctx, text);
  }
  std::string folder_, index_, addresses_ = "missing";
};

}  // namespace

extern const command cmd_ledger_index_entry;
const command cmd_ledger_index_entry{
    .path = "ledger index",
    .summary = "note where each transaction of a ledger lies, so that answers need not read whole blocks",
    .examples =
        "  osvm ledger index ./ledger\n  osvm ledger index ./ledger --index ./ledger.index --addresses all",
    .make = make_invocation<ledger_index>,
};

}  // namespace osvm::cli
