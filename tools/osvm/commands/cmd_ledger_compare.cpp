#include <osvm/ledger/compare.hpp>

#include "../ledger_command.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class ledger_compare final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("first", first_, {}, "a ledger folder");
    o.word("second", second_, {}, "another one");
    o.value("from", "SLOT", from_, "first slot");
    o.value("to", "SLOT", to_, "last slot (default: the highest)");
    o.value("limit", "N", limit_, "name at most so many differences");
  }
  int run(context& ctx) override {
    const auto range = parse_slot_range(from_, to_);
    const auto limit = parse_count(limit_, 1, 1'000'000'000);
    if (!range) return ctx.fail(range.error(), exit_code::usage);
    if (!limit) return ctx.fail(limit.error(), exit_code::usage);
    const auto a = ledger::blockstore::open(first_), b = ledger::blockstore::open(second_);
    if (!a) return ctx.fail(a.error());
    if (!b) return ctx.fail(b.error());
    std::vector<ledger::slot_difference> list;
    std::uint64_t more = 0;
    const auto done =
        ledger::compare_ledgers(*a, *b, range->from, range->to, [&](const ledger::slot_difference& d) {
          list.size() < *limit ? list.push_back(d) : void(++more);
          return true;
        });
    if (!done) return ctx.fail(done.error());
    ctx.json() ? print_json(ctx, *done, list, more) : print(ctx, *done, list, more);
    note_lost(ctx, *a);
    note_lost(ctx, *b);
    if (!list.empty()) return static_cast<int>(exit_code::failed);
    return static_cast<int>(done->unreadable ? exit_code::partly : exit_code::done);
  }

 private:
  using differences = std::vector<ledger::slot_difference>;
  static void print(const context& ctx, const ledger::comparison& c, const differences& list,
                    std::uint64_t more) {
    for (const auto& d : list)
      ctx.print(ctx.bad("differs") + "  slot " + std::to_string(d.slot) + ": " + d.what + "\n");
    if (more) ctx.print("… and " + std::to_string(more) + " differences more\n");
    ctx.print(std::to_string(c.slots) + " slots in both, " + std::to_string(c.equal) + " equal; " +
              std::to_string(c.only_first) + " only in the first, " + std::to_string(c.only_second) +
              " only in the second\n");
    if (c.unreadable) ctx.print(std::to_string(c.unreadable) + " cannot be read in either: not compared\n");
    if (c.without_proof)
      ctx.print(std::to_string(c.without_proof) + " have a Proof of History in one of them only\n");
  }
  static void print_json(const context& ctx, const ledger::comparison& c, const differences& list,
                         std::uint64_t more) {
    std::string text;
    solana::json_writer out(text);
    out.begin_object();
    out.field("slots", c.slots);
    out.field("equal", c.equal);
    out.field("onlyFirst", c.only_first);
    out.field("onlySecond", c.only_second);
    out.field("unreadable", c.unreadable);
    out.field("proofInOneOnly", c.without_proof);
    out.key("differences");
    out.begin_array();
    for (const auto& d : list) {
      out.begin_object();
      out.field("slot", d.slot);
      out.field("what", std::string_view(d.what));
      out.end_object();
    }
    out.end_array();
    out.field("more", more);
    out.end_object();
    print_json_text(ctx, text);
  }
  std::string first_, second_, from_ = "0", to_, limit_ = "1000";
};

}  // namespace

extern const command cmd_ledger_compare_entry;
const command cmd_ledger_compare_entry{
    .path = "ledger compare",
    .summary = "what differs between two ledgers, slot by slot",
    .examples =
        "  osvm ledger compare ./ledger ./other\n  osvm ledger compare ./ledger ./other --from 100 --json",
    .make = make_invocation<ledger_compare>,
};

}  // namespace osvm::cli
