// Holdings and mints of both token programs.
#include <osvm/solana/programs.hpp>

#include <algorithm>

#include "account_query.hpp"

namespace osvm::ledger {
namespace {

struct known_mint {
  solana::pubkey address, program;
  solana::token_mint mint;
};

rpc_result<known_mint> find_mint(const account_store& store, const solana::pubkey& address) {
  const auto* a = store.find(address);
  if (!a && address != solana::programs::native_mint) return invalid("Invalid param: could not find mint");
  if (a && !solana::is_token_program(a->view.owner)) return invalid("Invalid param: not a Token mint");
  const auto mint = store.mint(address);
  if (!mint) return invalid("Invalid param: Token mint could not be unpacked");
  return known_mint{address, a ? a->view.owner : solana::programs::token, *mint};
}

struct holding {
  const stored_account* account;
  solana::token_holding held;
};

template <class Wanted>
std::vector<holding> holdings(const account_store& store, const solana::pubkey& program, Wanted&& wanted) {
  std::vector<holding> out;
  for (const auto* a : store.owned_by(program))
    if (const auto h = solana::read_token_holding(a->view.data); h && wanted(*h)) out.push_back({a, *h});
  return out;
}

answer get_token_account_balance(const call& c) {
  RPC_TRY(const auto* store, accounts_of(c));
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto address, read_pubkey(*c.params.at(0)));
  const auto* a = store->find(address);
  if (!a) return invalid("Invalid param: could not find account");
  const auto held =
      solana::is_token_program(a->view.owner) ? solana::read_token_holding(a->view.data) : std::nullopt;
  if (!held) return invalid("Invalid param: not a Token account");
  RPC_TRY(const auto known, find_mint(*store, held->mint));
  std::string text;
  solana::json_writer out(text);
  solana::write_token_amount(out, held->amount, known.mint, store->unix_timestamp());
  return with_context(c, config_of(c, 1), text);
}

answer get_token_supply(const call& c) {
  RPC_TRY(const auto* store, accounts_of(c));
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto address, read_pubkey(*c.params.at(0)));
  if (!store->find(address)) return invalid("Invalid param: could not find account");
  RPC_TRY(const auto known, find_mint(*store, address));
  std::string text;
  solana::json_writer out(text);
  solana::write_token_amount(out, known.mint.supply, known.mint, store->unix_timestamp());
  return with_context(c, config_of(c, 1), text);
}

answer get_token_largest_accounts(const call& c) {
  constexpr std::size_t shown = 20;
  RPC_TRY(const auto* store, accounts_of(c));
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto address, read_pubkey(*c.params.at(0)));
  RPC_TRY(const auto known, find_mint(*store, address));
  auto list = holdings(*store, known.program, [&](const auto& h) { return h.mint == address; });
  std::ranges::sort(list, [](const auto& a, const auto& b) {
    return std::pair(a.held.amount, a.account->address) > std::pair(b.held.amount, b.account->address);
  });
  if (list.size() > shown) list.resize(shown);
  std::string text;
  solana::json_writer out(text);
  out.begin_array();
  for (const auto& h : list) {
    std::string amount;
    solana::json_writer w(amount);
    solana::write_token_amount(w, h.held.amount, known.mint, store->unix_timestamp());
    out.begin_object();
    out.field("address", h.account->address);
    out.text() += ',';
    out.text() += std::string_view(amount).substr(1);  // the amount's fields lie beside the address
  }
  text += "]";
  return with_context(c, config_of(c, 1), text);
}

// By {"mint"} or {"programId"}.
answer list_holdings(const call& c, bool by_delegate) {
  RPC_TRY(const auto* store, accounts_of(c));
  const auto* filter = config_of(c, 1);
  if (!c.params.at(0) || !filter) return missing(2);
  RPC_TRY(const auto person, read_pubkey(*c.params.at(0)));
  RPC_TRY(const auto query, read_account_query(config_of(c, 2), solana::account_encoding::binary));
  std::optional<solana::pubkey> mint;
  solana::pubkey program = solana::programs::token;
  if (const auto* m = field(filter, "mint")) {
    RPC_TRY(const auto address, read_pubkey(*m));
    RPC_TRY(const auto known, find_mint(*store, address));
    mint = address, program = known.program;
  } else if (const auto* p = field(filter, "programId")) {
    RPC_TRY(program, read_pubkey(*p));
    if (!solana::is_token_program(program)) return invalid("Invalid param: unrecognized Token program id");
  } else {
    return invalid("Invalid params: unknown filter, expected `mint` or `programId`.");
  }
  std::vector<const stored_account*> list;
  for (const auto& h : holdings(*store, program, [&](const auto& one) {
         return (by_delegate ? one.delegate == person : one.owner == person) && (!mint || one.mint == *mint);
       }))
    list.push_back(h.account);
  RPC_TRY(const auto text, keyed_accounts(*store, list, query));
  return with_context(c, config_of(c, 2), text);
}

answer get_token_accounts_by_owner(const call& c) {
  return list_holdings(c, false);
}
answer get_token_accounts_by_delegate(const call& c) {
  return list_holdings(c, true);
}

constexpr rpc_method token_rows[] = {
    {"getTokenAccountBalance", get_token_account_balance, served_from::accounts},
    {"getTokenSupply", get_token_supply, served_from::accounts},
    {"getTokenLargestAccounts", get_token_largest_accounts, served_from::accounts},
    {"getTokenAccountsByOwner", get_token_accounts_by_owner, served_from::accounts},
    {"getTokenAccountsByDelegate", get_token_accounts_by_delegate, served_from::accounts},
};

}  // namespace

std::span<const rpc_method> token_methods() noexcept {
  return token_rows;
}

}  // namespace osvm::ledger
