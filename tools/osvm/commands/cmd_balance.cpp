#include <osvm/ledger/account_store.hpp>

#include "../cluster.hpp"
#include "../ledger_command.hpp"

namespace osvm::cli {
namespace {

// 1500000000 lamports are "1.5" SOL.
std::string sol(std::uint64_t lamports) {
  auto text = std::to_string(lamports);
  if (text.size() < 10) text.insert(0, 10 - text.size(), '0');
  text.insert(text.size() - 9, 1, '.');
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

class balance final : public invocation {
 public:
  void declare(option_set& o) override {
    o.optional_word("address", address_, "the account's address; your own key's when left out");
    o.values("from", "PATH", from_, "a snapshot archive, a dumped account (.json) or a folder of these");
    cluster_.declare(o);
    o.value("keypair", "FILE", keypair_, "whose address is meant when none is given");
  }
  int run(context& ctx) override {
    const auto address = whose(ctx);
    if (!address) return ctx.fail(address.error(), exit_code::usage);
    const auto lamports = from_.empty() ? ask(ctx, *address) : read(*address);
    if (!lamports) return ctx.fail(lamports.error());
    if (ctx.json())
      ctx.print("{\"lamports\":" + std::to_string(*lamports) + "}\n");
    else
      ctx.print(sol(*lamports) + " SOL\n");
    return static_cast<int>(exit_code::done);
  }

 private:
  result<solana::pubkey> whose(const context& ctx) const {
    if (!address_.empty()) return solana::pubkey::parse(address_);
    OSVM_TRY(const auto path, find_keypair(ctx, keypair_));
    OSVM_TRY(const auto key, solana::keypair::load(path));
    return key.address();
  }
  result<std::uint64_t> read(const solana::pubkey& address) const {
    OSVM_TRY(const auto store, ledger::account_store::load(from_));
    const auto* a = store.find(address);
    return a ? a->view.lamports : 0;
  }
  result<std::uint64_t> ask(const context& ctx, const solana::pubkey& address) const {
    OSVM_TRY(const auto source, rpc_source::open(ctx, cluster_));
    OSVM_TRY(const auto answer, source->ask("getBalance", "[\"" + address.to_string() + "\"]"));
    error_code bad;
    const auto* value = answer.find_pointer("/value", bad);
    const auto lamports = value ? value->to_number<std::uint64_t>(bad) : 0;
    if (!value || bad) return error(solana::rpc_errc::bad_answer, "getBalance");
    return lamports;
  }
  std::string address_, keypair_;
  std::vector<std::string> from_;
  cluster_options cluster_;
};

}  // namespace

extern const command cmd_balance_entry;
const command cmd_balance_entry{
    .path = "balance",
    .summary = "how much SOL an account holds: by a node, a snapshot or dumped files",
    .examples =
        "  osvm balance ADDRESS -u d\n"
        "  osvm balance --keypair ~/.config/solana/id.json -u http://127.0.0.1:8899\n"
        "  osvm balance ADDRESS --from snapshot-100-HASH.tar.zst",
    .make = make_invocation<balance>,
};

}  // namespace osvm::cli
