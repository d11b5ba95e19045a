#include "../ledger_command.hpp"

namespace osvm::cli {
namespace {

class ledger_bounds_command final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("ledger", folder_, {}, "the ledger folder, or its database folder");
  }
  int run(context& ctx) override {
    const auto opened = open_ledger(folder_);
    if (!opened) return ctx.fail(opened.error());
    const auto b = opened->store.bounds();
    const std::pair<const char*, std::optional<ledger::slot_t>> rows[] = {
        {"lowest", b->lowest},
        {"highest", b->highest},
        {"processed", b->highest_full},
        {"confirmed", b->last_confirmed},
        {"finalized", b->last_root},
        {"firstRoot", b->first_root},
        {"firstAvailable", b->first_available}};
    if (ctx.json()) {
      std::string text;
      solana::json_writer out(text);
      out.begin_object();
      for (const auto& [name, value] : rows) {
        out.key(name);
        value ? out.number(*value) : out.null();
      }
      out.end_object();
      print_json_text(ctx, text);
    } else {
      text_table table{{"bound", "slot"}};
      for (const auto& [name, value] : rows) table.push_back({name, value ? std::to_string(*value) : "-"});
      ctx.print_table(table);
    }
    return static_cast<int>(exit_code::done);
  }

 private:
  std::string folder_;
};

}  // namespace

extern const command cmd_ledger_bounds_entry;
const command cmd_ledger_bounds_entry{
    .path = "ledger bounds",
    .summary = "first and last slots of a ledger, by commitment",
    .examples = "  osvm ledger bounds ./ledger",
    .make = make_invocation<ledger_bounds_command>,
};

}  // namespace osvm::cli
