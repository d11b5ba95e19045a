#include <osvm/ledger/account_store.hpp>

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
    o.word("address", address_, {}, "the account's address");
    o.values("from", "PATH", from_, "a snapshot archive, a dumped account (.json) or a folder of these");
  }
  int run(context& ctx) override {
    const auto address = solana::pubkey::parse(address_);
    if (!address) return ctx.fail(address.error(), exit_code::usage);
    if (from_.empty())
      return ctx.fail(error(errc::invalid_argument, "--from PATH is needed"), exit_code::usage);
    const auto store = ledger::account_store::load(from_);
    if (!store) return ctx.fail(store.error());
    const auto* a = store->find(*address);
    const auto lamports = a ? a->view.lamports : 0;
    if (ctx.json())
      ctx.print("{\"lamports\":" + std::to_string(lamports) + "}\n");
    else
      ctx.print(sol(lamports) + " SOL\n");
    return static_cast<int>(exit_code::done);
  }

 private:
  std::string address_;
  std::vector<std::string> from_;
};

}  // namespace

extern const command cmd_balance_entry;
const command cmd_balance_entry{
    .path = "balance",
    .summary = "how much SOL an account holds in a snapshot or in dumped files",
    .examples =
        "  osvm balance ADDRESS --from snapshot-100-HASH.tar.zst\n  osvm balance ADDRESS --from ./ledger",
    .make = make_invocation<balance>,
};

}  // namespace osvm::cli
