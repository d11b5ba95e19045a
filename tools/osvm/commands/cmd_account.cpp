// osvm account: one account of a snapshot or of dumped files.
#include <osvm/ledger/account_store.hpp>

#include "../idl_files.hpp"
#include "../ledger_command.hpp"

namespace osvm::cli {
namespace {

class account final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("address", address_, {}, "the account's address");
    o.values("from", "PATH", from_, "a snapshot archive, a dumped account (.json) or a folder of these");
    o.value("encoding", "NAME", encoding_, "jsonParsed, base64, base58 or base64+zstd");
    decoders_.declare_more(o);
  }
  int run(context& ctx) override {
    const auto address = solana::pubkey::parse(address_);
    const auto encoding = solana::parse_account_encoding(encoding_);
    if (!address) return ctx.fail(address.error(), exit_code::usage);
    if (!encoding)
      return ctx.fail(error(errc::invalid_argument, "--encoding: jsonParsed, base64, base58, base64+zstd"),
                      exit_code::usage);
    if (from_.empty())
      return ctx.fail(error(errc::invalid_argument, "--from PATH is needed"), exit_code::usage);
    const auto more = decoders_.open();
    if (!more) return ctx.fail(more.error());
    const auto store = ledger::account_store::load(from_);
    if (!store) return ctx.fail(store.error());
    const auto* a = store->find(*address);
    if (!a) return ctx.fail(error(errc::not_found, "no such account there"));
    std::string text;
    solana::json_writer out(text);
    out.begin_object();
    out.field("pubkey", a->address);
    out.field("slot", a->slot);
    out.key("account");
    auto how = store->context_of(*a);
    how.more = *more;
    solana::write_account(out, a->address, a->view, *encoding, {}, how);
    out.end_object();
    print_json_text(ctx, text);
    return static_cast<int>(exit_code::done);
  }

 private:
  std::string address_, encoding_ = "jsonParsed";
  std::vector<std::string> from_;
  decoder_options decoders_;
};

}  // namespace

extern const command cmd_account_entry;
const command cmd_account_entry{
    .path = "account",
    .summary = "one Solana account of a snapshot or of dumped files, decoded",
    .examples =
        "  osvm account ADDRESS --from snapshot-100-HASH.tar.zst\n"
        "  osvm account ADDRESS --from ./ledger --encoding base64 --json\n"
        "  osvm account ADDRESS --from ./accounts --idl my_program.json",
    .make = make_invocation<account>,
};

}  // namespace osvm::cli
