// osvm token holders: who holds most of a mint, by a snapshot.
#include <osvm/ledger/account_store.hpp>

#include <algorithm>
#include <charconv>

#include "../ledger_command.hpp"

namespace osvm::cli {
namespace {

struct holder {
  const ledger::stored_account* account;
  solana::token_holding held;
};

// Every account of the mint, the largest first.
std::vector<holder> holders_of(const ledger::account_store& store, const solana::pubkey& mint) {
  std::vector<holder> out;
  const auto* a = store.find(mint);
  if (!a) return out;
  for (const auto* one : store.owned_by(a->view.owner))
    if (const auto h = solana::read_token_holding(one->view.data); h && h->mint == mint && h->amount)
      out.push_back({one, *h});
  std::ranges::stable_sort(out, std::greater<>{}, [](const holder& h) { return h.held.amount; });
  return out;
}

class token_holders final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("mint", mint_, {}, "the token's mint");
    o.values("from", "PATH", from_, "a snapshot archive, dumped accounts (.json) or a folder of these");
    o.value("top", "N", top_, "how many to show");
  }
  int run(context& ctx) override {
    const auto mint = solana::pubkey::parse(mint_);
    if (!mint) return ctx.fail(mint.error(), exit_code::usage);
    std::size_t top = 0;
    const auto [end, failed] = std::from_chars(top_.data(), top_.data() + top_.size(), top);
    if (failed != std::errc{} || end != top_.data() + top_.size() || top == 0)
      return ctx.fail(error(errc::invalid_argument, "--top is a number from 1 on"), exit_code::usage);
    if (from_.empty())
      return ctx.fail(error(errc::invalid_argument, "--from PATH is needed"), exit_code::usage);
    const auto store = ledger::account_store::load(from_);
    if (!store) return ctx.fail(store.error());
    const auto facts = store->mint(*mint);
    if (!facts) return ctx.fail(error(errc::not_found, "no mint of that address there"));
    show(ctx, *store, *mint, *facts, top);
    return static_cast<int>(exit_code::done);
  }

 private:
  static void show(const context& ctx, const ledger::account_store& store, const solana::pubkey& mint,
                   const solana::token_mint& facts, std::size_t top) {
    const auto all = holders_of(store, mint);
    std::string text;
    solana::json_writer out(text);
    const auto amount = [&](std::string_view name, std::uint64_t v) {
      out.key(name);
      solana::write_token_amount(out, v, facts, store.unix_timestamp());
    };
    out.begin_object();
    out.field("mint", mint);
    amount("supply", facts.supply);
    out.field("holders", all.size());
    out.key("largest");
    out.begin_array();
    for (std::size_t i = 0; i < std::min(top, all.size()); ++i) {
      out.begin_object();
      out.field("address", all[i].account->address);
      out.field("owner", all[i].held.owner);
      amount("amount", all[i].held.amount);
      out.end_object();
    }
    out.end_array();
    out.end_object();
    print_json_text(ctx, text);
  }
  std::string mint_, top_ = "20";
  std::vector<std::string> from_;
};

}  // namespace

extern const command cmd_token_holders_entry;
const command cmd_token_holders_entry{
    .path = "token holders",
    .summary = "who holds a token, the largest first: exact, from a snapshot or dumped files",
    .examples =
        "  osvm token holders MINT --from snapshot-100-HASH.tar.zst\n"
        "  osvm token holders MINT --from ./accounts --top 5 --json",
    .make = make_invocation<token_holders>,
};

}  // namespace osvm::cli
