// osvm account: one account, by a node, a snapshot or dumped files.
#include <osvm/ledger/account_store.hpp>
#include <osvm/solana/json_slices.hpp>

#include "../cluster.hpp"
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
  }
  int run(context& ctx) override {
    const auto address = solana::pubkey::parse(address_);
    const auto encoding = solana::parse_account_encoding(encoding_);
    if (!address) return ctx.fail(address.error(), exit_code::usage);
    if (!encoding)
      return ctx.fail(error(errc::invalid_argument, "--encoding: jsonParsed, base64, base58, base64+zstd"),
                      exit_code::usage);
    if (from_.empty()) return ask(ctx, *address);
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
    solana::write_account(out, a->address, a->view, *encoding, {}, store->context_of(*a));
    out.end_object();
    print_json_text(ctx, text);
    return static_cast<int>(exit_code::done);
  }

 private:
  int ask(const context& ctx, const solana::pubkey& address) const {
    const auto text = fetch(ctx, address);
    if (!text) return ctx.fail(text.error());
    print_json_text(ctx, *text);
    return static_cast<int>(exit_code::done);
  }
  // As the node wrote it: no number passes through a double.
  result<std::string> fetch(const context& ctx, const solana::pubkey& address) const {
    OSVM_TRY(const auto source, rpc_source::open(ctx, cluster_));
    OSVM_TRY(const auto answer,
             source->call("getAccountInfo",
                          "[\"" + address.to_string() + "\",{\"encoding\":\"" + encoding_ + "\"}]"));
    const auto value = solana::json_member(answer, "value");
    const auto slot = solana::json_member(solana::json_member(answer, "context").value_or(""), "slot");
    if (!value || !slot) return error(solana::rpc_errc::bad_answer, "getAccountInfo");
    if (*value == "null") return error(errc::not_found, "no such account at " + source->name());
    return "{\"pubkey\":\"" + address.to_string() + "\",\"slot\":" + std::string(*slot) +
           ",\"account\":" + std::string(*value) + "}";
  }
  cluster_options cluster_;
  std::string address_, encoding_ = "jsonParsed";
  std::vector<std::string> from_;
};

}  // namespace

extern const command cmd_account_entry;
const command cmd_account_entry{
    .path = "account",
    .summary = "one Solana account, decoded: by a node, a snapshot or dumped files",
    .examples =
        "  osvm account ADDRESS -u m\n"
        "  osvm account ADDRESS --from snapshot-100-HASH.tar.zst\n"
        "  osvm account ADDRESS --from ./ledger --encoding base64 --json",
    .make = make_invocation<account>,
};

}  // namespace osvm::cli
