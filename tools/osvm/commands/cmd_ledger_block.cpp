#include "../idl_files.hpp"
#include "../ledger_command.hpp"

namespace osvm::cli {
namespace {

class ledger_block final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("ledger", folder_, {}, "the ledger folder, or its database folder");
    o.word("slot", slot_, {}, "the block's slot");
    o.value("encoding", "NAME", encoding_, "json, jsonParsed, base64 or base58");
    o.value("details", "NAME", details_, "full, accounts, signatures or none");
    decoders_.declare_more(o);
  }
  int run(context& ctx) override {
    const auto slot = parse_slot(slot_);
    auto query = make_block_query(encoding_, details_);
    if (!slot) return ctx.fail(slot.error(), exit_code::usage);
    if (!query) return ctx.fail(query.error(), exit_code::usage);
    const auto more = decoders_.open();
    if (!more) return ctx.fail(more.error());
    query->encode.more = *more;
    const auto opened = open_ledger(folder_);
    if (!opened) return ctx.fail(opened.error());
    auto text = ledger::block_json(opened->store, opened->genesis, *slot, *query);
    if (!text && text.error().code == ledger::errc::incomplete) {
      query->need_statuses = false;
      auto without = ledger::block_json(opened->store, opened->genesis, *slot, *query);
      if (without) ctx.note(text.error().context + ": its meta is null");
      if (without) text = std::move(without);
    }
    if (!text) return ctx.fail(text.error());
    print_json_text(ctx, *text);
    return static_cast<int>(exit_code::done);
  }

 private:
  std::string folder_, slot_, encoding_ = "json", details_ = "full";
  decoder_options decoders_;
};

}  // namespace

extern const command cmd_ledger_block_entry;
const command cmd_ledger_block_entry{
    .path = "ledger block",
    .summary = "one block as JSON, as getBlock answers it",
    .examples =
        "  osvm ledger block ./ledger 102815960\n  osvm ledger block ./ledger 42 --encoding jsonParsed",
    .make = make_invocation<ledger_block>,
};

}  // namespace osvm::cli
