// osvm account: one account, by a node, a snapshot or dumped files.
#include <osvm/ledger/account_store.hpp>
#include <osvm/solana/json_slices.hpp>

#include "../cluster.hpp"
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
    cluster_.declare(o);
    decoders_.declare_more(o);
  }
  int run(context& ctx) override {
    const auto address = solana::pubkey::parse(address_);
    const auto encoding = solana::parse_account_encoding(encoding_);
    if (!address) return ctx.fail(address.error(), exit_code::usage);
    if (!encoding)
      return ctx.fail(error(errc::invalid_argument, "--encoding: jsonParsed, base64, base58, base64+zstd"),
                      exit_code::usage);
    const auto more = decoders_.open();
    if (!more) return ctx.fail(more.error());
    if (from_.empty()) return ask(ctx, *address, *more);
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
  int ask(const context& ctx, const solana::pubkey& address, const solana::more_decoders* more) const {
    const auto text = fetch(ctx, address, more);
    if (!text) return ctx.fail(text.error());
    print_json_text(ctx, *text);
    return static_cast<int>(exit_code::done);
  }
  // As the node wrote it: no number passes through a double.
  result<std::string> fetch(const context& ctx, const solana::pubkey& address,
                            const solana::more_decoders* more) const {
    OSVM_TRY(const auto source, rpc_source::open(ctx, cluster_));
    OSVM_TRY(const auto answer,
             source->call("getAccountInfo",
                          "[\"" + address.to_string() + "\",{\"encoding\":\"" + encoding_ + "\"}]"));
    const auto value = solana::json_member(answer, "value");
    const auto slot = solana::json_member(solana::json_member(answer, "context").value_or(""), "slot");
    if (!value || !slot) return error(solana::rpc_errc::bad_answer, "getAccountInfo");
    if (*value == "null") return error(errc::not_found, "no such account at " + source->name());
    const auto front = "{\"pubkey\":\"" + address.to_string() + "\",";
    // What the node could not decode either.
    const auto data = solana::json_member(*value, "data");
    std::string shown(*value);
    if (more && encoding_ == "jsonParsed" && data && data->starts_with('[')) {
      OSVM_TRY(shown, decode_here(front + "\"account\":" + shown + "}", *more));
    }
    return front + "\"slot\":" + std::string(*slot) + ",\"account\":" + shown + "}";
  }
  static result<std::string> decode_here(const std::string& dump, const solana::more_decoders& more) {
    OSVM_TRY(const auto read, ledger::parse_account_dump(dump));
    auto view = read.at(0).account.view;
    view.data = as_bytes(read.at(0).data);
    solana::account_context how;
    how.more = &more;
    std::string text;
    solana::json_writer out(text);
    solana::write_account(out, read.at(0).account.address, view, solana::account_encoding::json_parsed, {},
                          how);
    return text;
  }
  cluster_options cluster_;
  std::string address_, encoding_ = "jsonParsed";
  std::vector<std::string> from_;
  decoder_options decoders_;
};

}  // namespace

extern const command cmd_account_entry;
const command cmd_account_entry{
    .path = "account",
    .summary = "one Solana account, decoded: by a node, a snapshot or dumped files",
    .examples =
        "  osvm account ADDRESS -u m\n"
        "  osvm account ADDRESS --from snapshot-100-HASH.tar.zst\n"
        "  osvm account ADDRESS --from ./ledger --encoding base64 --json\n"
        "  osvm account ADDRESS --from ./accounts --idl my_program.json",
    .make = make_invocation<account>,
};

}  // namespace osvm::cli
