// Slots and epochs, and what a node says about itself.
#include "call.hpp"

namespace osvm::ledger {
namespace {

answer get_slot(const call& c) {
  RPC_TRY(const auto level, read_commitment(config_of(c, 0)));
  const auto slot = slot_at(*c.store().bounds(), level).value_or(0);
  RPC_TRY(const auto checked, not_before(config_of(c, 0), slot));
  return std::to_string(checked);
}

answer get_block_height(const call& c) {
  RPC_TRY(const auto level, read_commitment(config_of(c, 0)));
  const auto slot = slot_at(*c.store().bounds(), level).value_or(0);
  const auto height = c.store().block_height(slot);
  if (!height) return translate(c, height.error(), slot);
  if (!*height && slot != 0) return rpc_error{-32004, "Block not available for slot " + std::to_string(slot)};
  return std::to_string(height->value_or(0));
}

rpc_error no_genesis() {
  return {-32603, "Internal error: the ledger folder has no genesis.bin"};
}

answer get_epoch_info(const call& c) {
  if (!c.at.first) return no_genesis();
  RPC_TRY(const auto level, read_commitment(config_of(c, 0)));
  const auto slot = slot_at(*c.store().bounds(), level).value_or(0);
  const auto where = c.at.first->schedule.locate(slot);
  const auto height = c.store().block_height(slot);
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  out.field("epoch", where.epoch);
  out.field("slotIndex", where.index);
  out.field("slotsInEpoch", where.length);
  out.field("absoluteSlot", slot);
  out.field("blockHeight", height && *height ? **height : 0);
  out.key("transactionCount");
  out.null();  // a ledger alone does not hold it
  out.end_object();
  return text;
}

answer get_epoch_schedule(const call& c) {
  if (!c.at.first) return no_genesis();
  const auto& s = c.at.first->schedule;
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  out.field("slotsPerEpoch", s.slots_per_epoch);
  out.field("leaderScheduleSlotOffset", s.leader_schedule_slot_offset);
  out.field("warmup", s.warmup);
  out.field("firstNormalEpoch", s.first_normal_epoch);
  out.field("firstNormalSlot", s.first_normal_slot);
  out.end_object();
  return text;
}

answer get_performance_samples(const call& c) {
  std::uint64_t limit = 720;
  if (c.params.at(0)) {
    RPC_TRY(limit, number(*c.params.at(0)));
    if (limit > 720) return invalid("Invalid limit; max 720");
  }
  const auto samples = c.store().perf_samples(limit);
  if (!samples) return translate(c, samples.error(), 0);
  std::string text;
  solana::json_writer out(text);
  out.begin_array();
  for (const auto& [slot, p] : *samples) {
    out.begin_object();
    out.field("slot", slot);
    out.field("numTransactions", p.transactions);
    out.key("numNonVoteTransactions");
    p.non_vote_transactions ? out.number(*p.non_vote_transactions) : out.null();
    out.field("numSlots", p.slots);
    out.field("samplePeriodSecs", p.period_seconds);
    out.end_object();
  }
  out.end_array();
  return text;
}

answer get_genesis_hash(const call& c) {
  if (!c.at.first) return no_genesis();
  return "\"" + c.at.first->hash.to_string() + "\"";
}
answer get_health(const call&) {
  return std::string("\"ok\"");
}
answer get_version(const call& c) {
  return "{\"solana-core\":\"" + c.at.options.version + "\",\"feature-set\":0}";
}
answer get_first_available_block(const call& c) {
  return std::to_string(c.store().bounds()->first_available);
}
answer minimum_ledger_slot(const call& c) {
  return std::to_string(c.store().bounds()->lowest.value_or(0));
}

answer get_max_shred_insert_slot(const call& c) {
  return std::to_string(c.store().bounds()->highest.value_or(0));
}
answer get_identity(const call& c) {
  return "{\"identity\":\"" + c.at.options.identity.to_string() + "\"}";
}
// What a ledger is not asked for in vain: only a node has these.
template <const char* Reason>
answer not_here(const call&) {
  return rpc_error{-32601, "Method not found", std::string("{\"reason\":\"") + Reason + "\"}"};
}
constexpr char needs_gossip[] = "only a node of the cluster hears of the others";
constexpr char needs_turbine[] = "a ledger sends no shreds on";

constexpr rpc_method cluster_rows[] = {
    {"getBlockHeight", get_block_height},
    {"getSlot", get_slot},
    {"getFirstAvailableBlock", get_first_available_block},
    {"minimumLedgerSlot", minimum_ledger_slot},
    {"getGenesisHash", get_genesis_hash},
    {"getEpochInfo", get_epoch_info},
    {"getEpochSchedule", get_epoch_schedule},
    {"getRecentPerformanceSamples", get_performance_samples},
    {"getHealth", get_health},
    {"getIdentity", get_identity},
    {"getMaxShredInsertSlot", get_max_shred_insert_slot},
    {"getVersion", get_version},
    {"getClusterNodes", not_here<needs_gossip>, served_from::nothing},
    {"getMaxRetransmitSlot", not_here<needs_turbine>, served_from::nothing},
};

}  // namespace

std::span<const rpc_method> cluster_methods() noexcept {
  return cluster_rows;
}

}  // namespace osvm::ledger
