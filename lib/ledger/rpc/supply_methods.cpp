// How much there is, and who has most of it: of a snapshot.
#include <osvm/solana/programs.hpp>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <set>

#include "account_query.hpp"
#include "non_circulating.hpp"
#include "solana/argument_reader.hpp"

namespace osvm::ledger {
namespace {

struct chain_time {
  std::int64_t timestamp = 0;
  std::uint64_t epoch = 0;
};

chain_time clock_of(const account_store& store) {
  constexpr std::size_t epoch_at = 16;
  chain_time out{store.unix_timestamp(), 0};
  const auto* clock = store.find(solana::programs::sysvar_clock);
  const auto epoch = clock ? read_at<std::uint64_t>(clock->view.data, epoch_at) : result<std::uint64_t>(0);
  if (epoch) out.epoch = *epoch;
  return out;
}

// A stake that is locked, or that only the foundation's keys may withdraw.
bool is_held_back(bytes_view stake, const chain_time& now) {
  solana::argument_reader in(stake);
  const auto state = in.number<std::uint32_t>();
  if (state != 1 && state != 2) return false;  // neither initialised nor delegated
  in.take(8 + 32);                             // rent reserve, staker
  const auto withdrawer = in.key();
  const auto until = in.number<std::int64_t>();
  const auto epoch = in.number<std::uint64_t>();
  in.key();  // custodian
  if (!in.ok()) return false;
  return until > now.timestamp || epoch > now.epoch ||
         std::ranges::find(withdraw_authorities(), withdrawer) != withdraw_authorities().end();
}

std::set<solana::pubkey> held_back(const account_store& store) {
  std::set<solana::pubkey> out(non_circulating_accounts().begin(), non_circulating_accounts().end());
  const auto now = clock_of(store);
  for (const auto* a : store.owned_by(solana::programs::stake))
    if (is_held_back(a->view.data, now)) out.insert(a->address);
  return out;
}

answer get_supply(const call& c) {
  RPC_TRY(const auto* bank, bank_of(c));
  const auto& store = *c.at.options.accounts;
  const auto* config = config_of(c, 0);
  RPC_TRY(const bool without_list, flag(config, "excludeNonCirculatingAccountsList", false));
  const auto accounts = held_back(store);
  std::uint64_t held = 0;
  for (const auto& address : accounts)
    if (const auto* a = store.find(address)) held += a->view.lamports;
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  out.field("total", bank->capitalization);
  out.field("circulating", bank->capitalization - std::min(bank->capitalization, held));
  out.field("nonCirculating", held);
  out.key("nonCirculatingAccounts");
  out.begin_array();
  if (!without_list)
    for (const auto& address : accounts) out.base58(address);
  out.end_array();
  out.end_object();
  return with_context(c, config, text);
}

// Which accounts getLargestAccounts leaves out.
rpc_result<bool> apply_filter(const account_store& store, const json::value& filter,
                              std::vector<const stored_account*>& list) {
  const auto* name = filter.if_string();
  const bool circulating = name && *name == "circulating";
  if (!circulating && (!name || *name != "nonCirculating"))
    return invalid("Invalid params: unknown variant " + json::serialize(filter) +
                   ", expected `circulating` or `nonCirculating`.");
  const auto held = held_back(store);
  std::erase_if(list, [&](const auto* a) { return held.contains(a->address) == circulating; });
  return true;
}

answer get_largest_accounts(const call& c) {
  constexpr std::size_t shown = 20;
  RPC_TRY(const auto* store, accounts_of(c));
  auto list = store->all();
  if (const auto* filter = field(config_of(c, 0), "filter")) {
    RPC_TRY([[maybe_unused]] const bool done, apply_filter(*store, *filter, list));
  }
  const auto n = std::min(shown, list.size());
  std::ranges::partial_sort(
      list, list.begin() + static_cast<std::ptrdiff_t>(n), [](const auto* a, const auto* b) {
        return std::pair(a->view.lamports, a->address) > std::pair(b->view.lamports, b->address);
      });
  std::string text;
  solana::json_writer out(text);
  out.begin_array();
  for (std::size_t i = 0; i < n; ++i) {
    out.begin_object();
    out.field("address", list[i]->address);
    out.field("lamports", list[i]->view.lamports);
    out.end_object();
  }
  out.end_array();
  return with_context(c, config_of(c, 0), text);
}

constexpr rpc_method supply_rows[] = {
    {"getSupply", get_supply, served_from::bank},
    {"getLargestAccounts", get_largest_accounts, served_from::accounts},
};

}  // namespace

std::span<const rpc_method> supply_methods() noexcept {
  return supply_rows;
}

}  // namespace osvm::ledger
