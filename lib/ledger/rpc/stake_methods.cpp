// Validators, inflation and rewards: what a snapshot's bank and the ledger's rewards know of them. They
// answer for the snapshot's slot.
#include <osvm/solana/programs.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "account_query.hpp"

namespace osvm::ledger {
namespace {

using solana::programs::detail::address;

// Whether the epoch's leaders were drawn with it; of a bank that does not say, whether it has a stake.
bool votes_in_epoch(const bank_fields& bank, const staked_vote_account& v) {
  const auto known = bank.epoch_stakes.find(bank.epoch);
  if (known == bank.epoch_stakes.end()) return v.stake > 0;
  return std::ranges::find(known->second, v.address, &vote_stake::vote) != known->second.end();
}

answer get_vote_accounts(const call& c) {
  constexpr std::uint64_t delinquent_distance = 128;
  constexpr std::size_t credits_shown = 5;
  RPC_TRY(const auto* bank, bank_of(c));
  const auto* config = config_of(c, 0);
  RPC_TRY([[maybe_unused]] const auto level, read_commitment(config));
  RPC_TRY(const bool keep, flag(config, "keepUnstakedDelinquents", false));
  auto distance = delinquent_distance;
  if (const auto* d = field(config, "delinquentSlotDistance")) {
    RPC_TRY(distance, number(*d));
  }
  std::optional<solana::pubkey> only;
  if (const auto* v = field(config, "votePubkey")) {
    RPC_TRY(only, read_pubkey(*v));
  }
  std::string lists[2];  // current, delinquent
  for (const auto& v : bank->vote_accounts) {
    if (only && v.address != *only) continue;
    const auto state = solana::read_vote_account(as_bytes(v.data));
    if (!state) continue;
    const auto last = state->last_vote.value_or(0);
    const bool current = bank->slot >= distance ? last > bank->slot - distance : last > 0;
    if (!current && !keep && v.stake == 0) continue;
    auto& text = lists[current ? 0 : 1];
    if (!text.empty()) text += ',';
    solana::json_writer out(text);
    out.begin_object();
    out.field("votePubkey", v.address);
    out.field("nodePubkey", state->node);
    out.field("activatedStake", v.stake);
    out.field("commission", std::uint64_t{state->commission});
    out.field("epochVoteAccount", votes_in_epoch(*bank, v));
    out.key("epochCredits");
    out.begin_array();
    const auto skip = state->history.size() - std::min(state->history.size(), credits_shown);
    for (auto i = skip; i < state->history.size(); ++i) {
      out.begin_array();
      out.number(state->history[i].epoch);
      out.number(state->history[i].earned);
      out.number(state->history[i].before);
      out.end_array();
    }
    out.end_array();
    out.field("lastVote", last);
    out.field("rootSlot", state->root.value_or(0));
    out.end_object();
  }
  return "{\"current\":[" + lists[0] + "],\"delinquent\":[" + lists[1] + "]}";
}

// ---- inflation

// Full inflation began with the first of these; before it with the trial; without any at slot 0.
slot_t inflation_start(const account_store& store) {
  const auto voted = activated_at(store, address("BzBBveUDymEYoYzcMWNQCx3cd4jQs7puaVFHLtsbB6fm"));
  const auto enabled = activated_at(store, address("7XRJcS5Ud5vxGB54JbK9N2vBZVwnwdBNeJW1ibRgD9gx"));
  auto full = activated_at(store, address("DT4n6ABDqs6w4bnfwrXT9rsprcPf6cdDga1egctaPkLC"));
  if (voted && enabled) full = std::min(full.value_or(*enabled), *enabled);
  if (full) return *full;
  return activated_at(store, address("4RWNif6C2WCNiKVW7otP4G7dkmkHGyKQWRpuZ1pxKU5m")).value_or(0);
}

answer get_inflation_rate(const call& c) {
  RPC_TRY(const auto* bank, bank_of(c));
  RPC_TRY(const auto* store, accounts_of(c));
  const auto& schedule = bank->schedule;
  const auto begin = schedule.locate(inflation_start(*store)).epoch;
  const auto from = schedule.first_slot(begin == 0 ? 0 : begin - 1);
  const auto now = schedule.first_slot(bank->epoch);
  const double year = static_cast<double>(now - std::min(now, from)) / bank->slots_per_year;
  const auto& i = bank->inflation;
  const double total = std::max(i.initial * std::pow(1.0 - i.taper, year), i.terminal);
  const double foundation = year < i.foundation_term ? total * i.foundation : 0.0;
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  out.field("total", total);
  out.field("validator", total - foundation);
  out.field("foundation", foundation);
  out.field("epoch", bank->epoch);
  out.end_object();
  return text;
}

// ---- rewards of an epoch: paid in the first block of the next, since Agave 2.1 also in the blocks behind it

struct paid_reward {
  slot_t slot = 0;
  std::uint64_t amount = 0, balance = 0;
  std::string commission;
};

rpc_result<std::map<std::string, paid_reward>> rewards_of(const call& c, slot_t first,
                                                          const std::set<std::string>& wanted) {
  constexpr std::size_t most_partitions = 1 << 20;
  std::map<std::string, paid_reward> out;
  std::size_t blocks = 1;
  for (std::size_t i = 0; i < blocks && out.size() < wanted.size(); ++i) {
    const auto roots = c.store().roots(first, ~slot_t{0}, 1);
    if (!roots) return translate(c, roots.error(), first);
    if (roots->empty()) {
      if (i > 0) break;
      return rpc_error{-32004, "Block not available for slot " + std::to_string(first)};
    }
    const auto slot = roots->front();
    const auto paid = c.store().rewards(slot);
    if (!paid) return translate(c, paid.error(), slot);
    if (*paid && i == 0 && (*paid)->rewards.num_partitions)
      blocks += std::min<std::size_t>(*(*paid)->rewards.num_partitions, most_partitions);
    if (*paid)
      for (const auto& r : (*paid)->rewards.rewards) {
        if (r.type != solana::reward_type::staking && r.type != solana::reward_type::voting) continue;
        const std::string name(r.address);
        if (wanted.contains(name))
          out.try_emplace(name, paid_reward{slot, static_cast<std::uint64_t>(std::abs(r.lamports)),
                                            r.post_balance, std::string(r.commission)});
      }
    if (slot == ~slot_t{0}) break;
    first = slot + 1;
  }
  return out;
}

answer get_inflation_reward(const call& c) {
  const auto* list = c.params.at(0);
  if (!list) return missing(1);
  if (!list->is_array())
    return invalid("Invalid params: invalid type: " + type_name(*list) + ", expected a sequence.");
  std::vector<std::string> names;
  for (const auto& v : list->get_array()) {
    RPC_TRY(const auto key, read_pubkey(v));
    names.push_back(key.to_string());
  }
  const auto* config = config_of(c, 1);
  RPC_TRY(const auto level, settled_commitment(config));
  if (!c.at.first) return rpc_error{-32603, "Internal error: the ledger folder has no genesis.bin"};
  RPC_TRY(const auto now, not_before(config, slot_at(*c.store().bounds(), level).value_or(0)));
  const auto& schedule = c.at.first->schedule;
  auto epoch = schedule.locate(now).epoch;
  epoch -= epoch > 0;
  if (const auto* e = field(config, "epoch")) {
    RPC_TRY(epoch, number(*e));
  }
  const auto first = schedule.first_slot(epoch == ~std::uint64_t{0} ? epoch : epoch + 1);
  if (const auto from = c.store().bounds()->first_available; first < from)
    return translate(c, error(errc::cleaned_up), first);
  RPC_TRY(const auto paid, rewards_of(c, first, {names.begin(), names.end()}));
  std::string text;
  solana::json_writer out(text);
  out.begin_array();
  for (const auto& name : names) {
    const auto at = paid.find(name);
    if (at == paid.end()) {
      out.null();
      continue;
    }
    out.begin_object();
    out.field("epoch", epoch);
    out.field("effectiveSlot", at->second.slot);
    out.field("amount", at->second.amount);
    out.field("postBalance", at->second.balance);
    out.key("commission");
    at->second.commission.empty() ? out.null() : out.raw(at->second.commission);
    out.end_object();
  }
  out.end_array();
  return text;
}

answer get_block_commitment(const call& c) {
  RPC_TRY(const auto* bank, bank_of(c));
  if (!c.params.at(0)) return missing(1);
  RPC_TRY([[maybe_unused]] const auto slot, number(*c.params.at(0)));
  std::uint64_t total = 0;
  for (const auto& v : bank->vote_accounts) total += v.stake;
  return "{\"commitment\":null,\"totalStake\":" + std::to_string(total) + "}";
}

constexpr rpc_method stake_rows[] = {
    {"getVoteAccounts", get_vote_accounts, served_from::bank},
    {"getInflationRate", get_inflation_rate, served_from::bank},
    {"getInflationReward", get_inflation_reward},
    {"getBlockCommitment", get_block_commitment, served_from::bank},
};

}  // namespace

std::span<const rpc_method> stake_methods() noexcept {
  return stake_rows;
}

}  // namespace osvm::ledger
