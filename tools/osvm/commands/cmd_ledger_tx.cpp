#include "../idl_files.hpp"
#include "../ledger_command.hpp"

namespace osvm::cli {
namespace {

class ledger_tx final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("ledger", folder_, {}, "the ledger folder, or its database folder");
    o.word("signature", signature_, {}, "the transaction's first signature");
    o.value("encoding", "NAME", encoding_, "json, jsonParsed, base64 or base58");
    decoders_.declare_more(o);
  }
  int run(context& ctx) override {
    const auto signature = solana::signature::parse(signature_);
    auto query = make_block_query(encoding_, "full");
    if (!signature) return ctx.fail(signature.error(), exit_code::usage);
    if (!query) return ctx.fail(query.error(), exit_code::usage);
    const auto more = decoders_.open();
    if (!more) return ctx.fail(more.error());
    query->encode.more = *more;
    const auto opened = open_ledger(folder_);
    if (!opened) return ctx.fail(opened.error());
    const auto text = ledger::transaction_json(opened->store, opened->genesis, *signature, *query);
    if (!text) return ctx.fail(text.error());
    if (*text == "null")
      return ctx.fail(error(errc::not_found, "no settled transaction has that signature in this ledger"));
    print_json_text(ctx, *text);
    return static_cast<int>(exit_code::done);
  }

 private:
  std::string folder_, signature_, encoding_ = "jsonParsed";
  decoder_options decoders_;
};

}  // namespace

extern const command cmd_ledger_tx_entry;
const command cmd_ledger_tx_entry{
    .path = "ledger tx",
    .summary = "one transaction as JSON, as getTransaction answers it",
    .examples =
        "  osvm ledger tx ./ledger SIGNATURE\n  osvm ledger tx ./ledger SIGNATURE --encoding base64 --json\n"
        "  osvm ledger tx ./ledger SIGNATURE --more",
    .make = make_invocation<ledger_tx>,
};

}  // namespace osvm::cli
