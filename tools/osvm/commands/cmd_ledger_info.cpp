#include "../ledger_command.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class ledger_info final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("ledger", folder_, {}, "the ledger folder, or its database folder");
  }
  int run(context& ctx) override {
    const auto opened = open_ledger(folder_);
    if (!opened) return ctx.fail(opened.error());
    const auto columns = opened->store.database().columns();
    if (ctx.json()) {
      std::string text;
      solana::json_writer out(text);
      out.begin_object();
      if (opened->genesis) out.field("genesis", opened->genesis->hash);
      out.key("columns");
      out.begin_array();
      for (const auto& c : columns) {
        out.begin_object();
        out.field("name", std::string_view(c.name));
        out.field("files", static_cast<std::uint64_t>(c.files));
        out.field("bytes", c.bytes);
        out.field("log_rows", static_cast<std::uint64_t>(c.log_rows));
        out.end_object();
      }
      out.end_array();
      write_lost(out, opened->store);
      out.end_object();
      print_json_text(ctx, text);
      return static_cast<int>(exit_code::done);
    }
    text_table table{{"column", "files", "bytes", "rows in logs"}};
    for (const auto& c : columns)
      if (c.files || c.log_rows)
        table.push_back({c.name, std::to_string(c.files), show_size(c.bytes), std::to_string(c.log_rows)});
    ctx.print_table(table);
    if (opened->genesis) ctx.print("genesis " + opened->genesis->hash.to_string() + "\n");
    note_lost(ctx, opened->store);
    return static_cast<int>(exit_code::done);
  }

 private:
  std::string folder_;
};

}  // namespace

extern const command cmd_ledger_info_entry;
const command cmd_ledger_info_entry{
    .path = "ledger info",
    .summary = "columns, sizes and unreadable files of a ledger",
    .examples = "  osvm ledger info ./ledger\n  osvm ledger info ./ledger --json",
    .make = make_invocation<ledger_info>,
};

}  // namespace osvm::cli
