#include "../ledger_command.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class ledger_slots final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("ledger", folder_, {}, "the ledger folder, or its database folder");
    o.value("from", "SLOT", from_, "first slot");
    o.value("limit", "N", limit_, "at most so many");
  }
  int run(context& ctx) override {
    const auto from = parse_slot(from_);
    const auto limit = parse_count(limit_, 1, 1'000'000'000);
    if (!from) return ctx.fail(from.error(), exit_code::usage);
    if (!limit) return ctx.fail(limit.error(), exit_code::usage);
    const auto opened = open_ledger(folder_);
    if (!opened) return ctx.fail(opened.error());
    const auto done = list(ctx, *opened, *from, *limit);
    if (!done) return ctx.fail(done.error());
    note_lost(ctx, opened->store);
    return static_cast<int>(exit_code::done);
  }

 private:
  static result<> list(const context& ctx, const opened_ledger& l, ledger::slot_t from, std::uint64_t limit) {
    std::string text;
    solana::json_writer out(text);
    text_table table{{"slot", "parent", "shreds", "state"}};
    out.begin_array();
    std::uint64_t count = 0;
    result<> failed;
    OSVM_CHECK(l.store.each_meta(from, [&](const ledger::slot_meta& m) {
      const auto root = l.store.is_root(m.slot);
      const auto dead = l.store.is_dead(m.slot);
      if (!root || !dead) {
        failed = !root ? root.error() : dead.error();
        return false;
      }
      const char* state = *dead ? "dead" : !m.full() ? "incomplete" : *root ? "rooted" : "full";
      table.push_back({std::to_string(m.slot), m.parent ? std::to_string(*m.parent) : "-",
                       std::to_string(m.consumed), state});
      out.begin_object();
      out.field("slot", m.slot);
      out.key("parent");
      m.parent ? out.number(*m.parent) : out.null();
      out.field("shreds", m.consumed);
      out.field("state", state);
      out.end_object();
      return ++count < limit;
    }));
    OSVM_CHECK(failed);
    out.end_array();
    if (ctx.json())
      print_json_text(ctx, text);
    else
      ctx.print_table(table);
    return {};
  }
  std::string folder_, from_ = "0", limit_ = "1000000";
};

}  // namespace

extern const command cmd_ledger_slots_entry;
const command cmd_ledger_slots_entry{
    .path = "ledger slots",
    .summary = "slots of a ledger: parent, shreds, rooted, full, incomplete or dead",
    .examples = "  osvm ledger slots ./ledger\n  osvm ledger slots ./ledger --from 100 --limit 10 --json",
    .make = make_invocation<ledger_slots>,
};

}  // namespace osvm::cli
