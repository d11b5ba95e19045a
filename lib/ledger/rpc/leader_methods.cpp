// Who leads which slot, by the stakes of a snapshot, and who made the blocks that the ledger holds.
#include <osvm/solana/programs.hpp>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "account_query.hpp"

namespace osvm::ledger {
namespace {

using solana::programs::detail::address;

// SIMD-0180 holds from the epoch behind the one in which it was activated.
lots lots_of(const account_store& store, const bank_fields& bank, std::uint64_t epoch) {
  const auto slot = activated_at(store, address("5JsG4NWH8Jbrqdd8uL6BNwnyZK3dQSoieRXG5vmofj9y"));
  if (!slot) return lots::validators;
  const auto from = *slot == 0 ? 0 : bank.schedule.locate(*slot).epoch + 1;
  return epoch >= from ? lots::vote_accounts : lots::validators;
}

using schedule_ptr = std::shared_ptr<const leader_schedule>;

// Null when the snapshot does not know the epoch's stakes.
rpc_result<schedule_ptr> schedule_of(const call& c, const bank_fields& bank, std::uint64_t epoch) {
  if (auto known = c.at.cache.schedules.find(epoch)) return known;
  const auto stakes = bank.epoch_stakes.find(epoch);
  if (stakes == bank.epoch_stakes.end()) return schedule_ptr{};
  const auto length = bank.schedule.locate(bank.schedule.first_slot(epoch)).length;
  auto made = leader_schedule::make(stakes->second, epoch,
                                    {.by = lots_of(*c.at.options.accounts, bank, epoch), .slots = length});
  if (!made) return rpc_error{-32603, "Internal error: " + made.error().to_string()};
  return c.at.cache.schedules.put(epoch, std::move(*made));
}

// What "now" is: the ledger's slot, where it has one.
slot_t current_slot(const call& c, const bank_fields& bank, commitment level) {
  return slot_at(*c.store().bounds(), level).value_or(bank.slot);
}

std::map<std::string, std::vector<std::uint64_t>> by_leader(const leader_schedule& schedule,
                                                            const std::optional<solana::pubkey>& only) {
  std::map<solana::pubkey, std::vector<std::uint64_t>> slots;
  for (std::uint64_t i = 0; i < schedule.slots(); ++i)
    if (!only || schedule.node(i) == *only) slots[schedule.node(i)].push_back(i);
  std::map<std::string, std::vector<std::uint64_t>> out;
  for (auto& [node, list] : slots) out.emplace(node.to_string(), std::move(list));
  return out;
}

answer get_leader_schedule(const call& c) {
  RPC_TRY(const auto* bank, bank_of(c));
  // The configuration may stand in the slot's place.
  const bool config_first = c.params.at(0) && c.params.at(0)->is_object();
  const auto* config = config_of(c, config_first ? 0 : 1);
  RPC_TRY(const auto level, read_commitment(config));
  std::optional<solana::pubkey> only;
  if (const auto* identity = field(config, "identity")) {
    RPC_TRY(only, read_pubkey(*identity));
  }
  auto slot = current_slot(c, *bank, level);
  if (c.params.at(0) && !config_first) {
    RPC_TRY(slot, number(*c.params.at(0)));
  }
  RPC_TRY(const auto schedule, schedule_of(c, *bank, bank->schedule.locate(slot).epoch));
  if (!schedule) return std::string("null");
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  for (const auto& [node, slots] : by_leader(*schedule, only)) {
    out.key(node);
    out.begin_array();
    for (const auto s : slots) out.number(s);
    out.end_array();
  }
  out.end_object();
  return text;
}

// Calls `each` with the leaders of `count` slots from `first` on.
template <class F>
rpc_result<bool> each_leader(const call& c, const bank_fields& bank, slot_t first, std::uint64_t count,
                             const F& each) {
  auto where = bank.schedule.locate(first);
  while (count > 0) {
    RPC_TRY(const auto schedule, schedule_of(c, bank, where.epoch));
    if (!schedule || schedule->slots() <= where.index)
      return invalid("Invalid slot range: leader schedule for epoch " + std::to_string(where.epoch) +
                     " is unavailable");
    for (auto i = where.index; i < schedule->slots() && count > 0; ++i, --count) each(schedule->node(i));
    ++where.epoch;
    where.index = 0;
  }
  return true;
}

answer get_slot_leaders(const call& c) {
  constexpr std::uint64_t most = 5000;
  RPC_TRY(const auto* bank, bank_of(c));
  if (!c.params.at(0) || !c.params.at(1)) return missing(2);
  RPC_TRY(const auto first, number(*c.params.at(0)));
  RPC_TRY(const auto limit, number(*c.params.at(1)));
  if (limit > most) return invalid("Invalid limit; max " + std::to_string(most));
  std::string text;
  solana::json_writer out(text);
  out.begin_array();
  RPC_TRY([[maybe_unused]] const bool done,
          each_leader(c, *bank, first, limit, [&](const solana::pubkey& node) { out.base58(node); }));
  out.end_array();
  return text;
}

answer get_slot_leader(const call& c) {
  RPC_TRY(const auto* bank, bank_of(c));
  RPC_TRY([[maybe_unused]] const auto slot, context_slot(c, config_of(c, 0)));
  return "\"" + bank->leader.to_string() + "\"";
}

// ---- block production

struct slot_range {
  slot_t first = 0, last = 0;
};

// The first slot whose being there or not the ledger tells; validators know a million slots.
slot_t oldest_known(const ledger_bounds& b, slot_t newest) {
  constexpr slot_t history = 1 << 20;
  return std::max(b.first_root.value_or(newest), newest + 1 > history ? newest + 1 - history : 0);
}

rpc_result<slot_range> production_range(const call& c, const bank_fields& bank, const json::object* config,
                                        slot_t newest) {
  const auto oldest = oldest_known(*c.store().bounds(), newest);
  const auto* range = field(config, "range");
  if (!range) {
    // A validator's history reaches back to the epoch's first slot; this ledger's may not.
    const auto begin = bank.schedule.first_slot(bank.schedule.locate(newest).epoch);
    return slot_range{std::max(begin, oldest), newest};
  }
  const auto* first = field(range->if_object(), "firstSlot");
  if (!first) return invalid("Invalid params: missing field `firstSlot`.");
  slot_range out{0, newest};
  RPC_TRY(out.first, number(*first));
  if (const auto* last = field(range->if_object(), "lastSlot")) {
    RPC_TRY(out.last, number(*last));
  }
  const auto a = std::to_string(out.first), b = std::to_string(out.last);
  if (out.last < out.first) return invalid("lastSlot, " + b + ", cannot be less than firstSlot, " + a);
  if (out.first < oldest) return invalid("firstSlot, " + a + ", is too small; min " + std::to_string(oldest));
  if (out.last > newest) return invalid("lastSlot, " + b + ", is too large; max " + std::to_string(newest));
  return out;
}

rpc_result<std::set<slot_t>> produced_in(const call& c, slot_range range, commitment level) {
  auto roots = c.store().roots(range.first, range.last, range.last - range.first + 1);
  if (!roots) return translate(c, roots.error(), range.first);
  std::set<slot_t> out(roots->begin(), roots->end());
  if (level == commitment::confirmed)
    for (const auto s : c.store().bounds()->confirmed_unrooted) out.insert(s);
  return out;
}

answer get_block_production(const call& c) {
  RPC_TRY(const auto* bank, bank_of(c));
  const auto* config = config_of(c, 0);
  RPC_TRY(auto level, read_commitment(config));
  if (level == commitment::processed) level = commitment::confirmed;  // of a fork nobody voted for: nothing
  std::optional<solana::pubkey> only;
  if (const auto* identity = field(config, "identity")) {
    RPC_TRY(only, read_pubkey(*identity));
  }
  const auto newest = slot_at(*c.store().bounds(), level).value_or(0);
  RPC_TRY(const auto range, production_range(c, *bank, config, newest));
  RPC_TRY(const auto made, produced_in(c, range, level));
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> counts;
  std::map<solana::pubkey, std::pair<std::uint64_t, std::uint64_t>> found;
  auto slot = range.first;
  RPC_TRY([[maybe_unused]] const bool done,
          each_leader(c, *bank, range.first, range.last - range.first + 1, [&](const solana::pubkey& node) {
            const auto s = slot++;
            if (only && node != *only) return;
            auto& [led, produced] = found[node];
            ++led;
            produced += made.contains(s);
          }));
  for (const auto& [node, n] : found) counts.emplace(node.to_string(), n);
  std::string text = "{\"context\":{\"slot\":" + std::to_string(newest) + "},\"value\":";
  solana::json_writer out(text);
  out.begin_object();
  out.key("byIdentity");
  out.begin_object();
  for (const auto& [node, n] : counts) {
    out.key(node);
    out.begin_array();
    out.number(n.first);
    out.number(n.second);
    out.end_array();
  }
  out.end_object();
  out.key("range");
  out.begin_object();
  out.field("firstSlot", range.first);
  out.field("lastSlot", range.last);
  out.end_object();
  out.end_object();
  return text + "}";
}

constexpr rpc_method leader_rows[] = {
    {"getLeaderSchedule", get_leader_schedule, served_from::bank},
    {"getSlotLeaders", get_slot_leaders, served_from::bank},
    {"getSlotLeader", get_slot_leader, served_from::bank},
    {"getBlockProduction", get_block_production, served_from::bank},
};

}  // namespace

std::span<const rpc_method> leader_methods() noexcept {
  return leader_rows;
}

}  // namespace osvm::ledger
