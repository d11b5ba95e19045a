// osvm token holders: who holds most of a mint: exactly, by a snapshot, or as far as a node tells.
#include <osvm/ledger/account_store.hpp>
#include <osvm/solana/json_slices.hpp>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>

#include "../cluster.hpp"
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
    cluster_.declare(o);
  }
  int run(context& ctx) override {
    const auto mint = solana::pubkey::parse(mint_);
    if (!mint) return ctx.fail(mint.error(), exit_code::usage);
    std::size_t top = 0;
    const auto [end, failed] = std::from_chars(top_.data(), top_.data() + top_.size(), top);
    if (failed != std::errc{} || end != top_.data() + top_.size() || top == 0)
      return ctx.fail(error(errc::invalid_argument, "--top is a number from 1 on"), exit_code::usage);
    if (from_.empty()) return ask(ctx, *mint, top);
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
    out.field("exact", true);
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
  int ask(const context& ctx, const solana::pubkey& mint, std::size_t top) const {
    const auto text = fetch(ctx, mint, top);
    if (!text) return ctx.fail(text.error());
    ctx.note("not exact: a node tells at most the 20 largest accounts of a mint, not its holders");
    print_json_text(ctx, *text);
    return static_cast<int>(exit_code::done);
  }
  // getTokenLargestAccounts, with the owners of those accounts.
  result<std::string> fetch(const context& ctx, const solana::pubkey& mint, std::size_t top) const {
    OSVM_TRY(const auto source, rpc_source::open(ctx, cluster_));
    const auto params = "[\"" + mint.to_string() + "\"]";
    OSVM_TRY(const auto supply, source->call("getTokenSupply", params));
    OSVM_TRY(const auto largest, source->ask("getTokenLargestAccounts", params));
    const error bad(solana::rpc_errc::bad_answer, "getTokenLargestAccounts");
    error_code failed;
    const auto* list = largest.find_pointer("/value", failed);
    if (!list || !list->is_array()) return bad;
    std::vector<boost::json::object> rows;
    std::string addresses;
    for (const auto& one : list->get_array()) {
      const auto* o = one.if_object();
      const auto* address = o ? o->if_contains("address") : nullptr;
      if (!address || !address->is_string() ||
          !solana::pubkey::parse(std::string_view(address->get_string())))
        return bad;
      if (rows.size() == top) break;
      addresses += (rows.empty() ? "\"" : ",\"") + std::string(address->get_string()) + "\"";
      rows.push_back(*o);
    }
    OSVM_TRY(const auto owners,
             source->ask("getMultipleAccounts", "[[" + addresses + "],{\"encoding\":\"jsonParsed\"}]"));
    boost::json::array out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto* owner =
          owners.find_pointer("/value/" + std::to_string(i) + "/data/parsed/info/owner", failed);
      auto address = rows[i]["address"];
      rows[i].erase("address");
      out.push_back({{"address", address}, {"owner", owner ? *owner : nullptr}, {"amount", rows[i]}});
    }
    return "{\"mint\":\"" + mint.to_string() + "\",\"exact\":false,\"supply\":" +
           std::string(solana::json_member(supply, "value").value_or("null")) +
           ",\"holders\":null,\"largest\":" + boost::json::serialize(out) + "}";
  }
  cluster_options cluster_;
  std::string mint_, top_ = "20";
  std::vector<std::string> from_;
};

}  // namespace

extern const command cmd_token_holders_entry;
const command cmd_token_holders_entry{
    .path = "token holders",
    .summary =
        "who holds a token, the largest first: exact from files, else the 20 largest accounts of a node",
    .examples =
        "  osvm token holders MINT --from snapshot-100-HASH.tar.zst\n"
        "  osvm token holders MINT --from ./accounts --top 5 --json\n"
        "  osvm token holders MINT -u m",
    .make = make_invocation<token_holders>,
};

}  // namespace osvm::cli
