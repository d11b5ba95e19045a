// Blockhashes and fees, by the last blocks of the ledger.
#include <osvm/solana/base64.hpp>
#include <osvm/solana/compute_budget.hpp>
#include <osvm/solana/message.hpp>
#include <osvm/solana/writable.hpp>

#include <algorithm>

#include "account_query.hpp"

namespace osvm::ledger {
namespace {

constexpr std::size_t blocks_of_a_transaction = 150;  // that one may wait
constexpr std::size_t blocks_remembered = 300;        // whose hashes validators keep

rpc_result<solana::hash> hash_of(const call& c, slot_t slot) {
  if (const auto known = c.at.cache.blockhashes.find(slot)) return *known;
  const auto made = c.store().blockhash(slot);
  if (!made) return translate(c, made.error(), slot);
  return *c.at.cache.blockhashes.put(slot, *made);
}

// How many blocks lie behind the one with this hash: none, if it is not among the last `most` and one.
// Validators whose ledger began inside that window do not know; neither do we, and say so.
rpc_result<std::optional<std::size_t>> age_of(const call& c, const solana::hash& wanted, slot_t newest,
                                              std::size_t most) {
  auto slot = newest;
  for (std::size_t age = 0; age <= most; ++age) {
    const auto meta = c.store().meta(slot);
    if (!meta) return translate(c, meta.error(), slot);
    if (!*meta || !(*meta)->full())
      return rpc_error{-32603, "Internal error: the ledger holds only " + std::to_string(age) +
                                   " of the last " + std::to_string(most) + " blocks"};
    RPC_TRY(const auto hash, hash_of(c, slot));
    if (hash == wanted) return std::optional(age);
    if (slot == 0 || !(*meta)->parent || *(*meta)->parent >= slot) break;
    slot = *(*meta)->parent;
  }
  return std::optional<std::size_t>{};
}

std::string in_context(slot_t slot, std::string_view value) {
  return "{\"context\":{\"slot\":" + std::to_string(slot) + "},\"value\":" + std::string(value) + "}";
}

// The slot that answers are of.
rpc_result<slot_t> slot_of(const call& c, const json::object* config) {
  RPC_TRY(const auto level, read_commitment(config));
  return not_before(config, slot_at(*c.store().bounds(), level).value_or(0));
}

answer is_blockhash_valid(const call& c) {
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto key, read_pubkey(*c.params.at(0)));  // a hash reads alike
  const solana::hash wanted{key.bytes};
  RPC_TRY(const auto slot, slot_of(c, config_of(c, 1)));
  RPC_TRY(const auto age, age_of(c, wanted, slot, blocks_of_a_transaction));
  return in_context(slot, age ? "true" : "false");
}

// ---- the fee of a message

// Of the account that the message's first instruction advances.
bool is_nonce_of(const call& c, const solana::message_view& m) {
  if (!c.at.options.accounts || !solana::uses_nonce(m)) return false;
  const auto index = m.instructions[0].accounts[0];
  const auto* a = index < m.keys.size() ? c.at.options.accounts->find(m.keys[index]) : nullptr;
  const auto nonce =
      a ? solana::read_nonce(a->view.data) : result<solana::nonce_state>(osvm::errc::not_found);
  return nonce && nonce->nonce == *m.blockhash;
}

rpc_result<std::vector<std::byte>> read_message_text(const json::value& v) {
  constexpr std::size_t most_text = 5464, most_bytes = 4096;
  if (!v.is_string())
    return invalid("Invalid params: invalid type: " + type_name(v) + ", expected a string.");
  const std::string_view text(v.get_string().data(), v.get_string().size());
  if (text.size() > most_text)
    return invalid("base64 encoded solana_message::versions::VersionedMessage too large: " +
                   std::to_string(text.size()) + " bytes (max: encoded/raw 5464/4096)");
  auto bytes = solana::base64_decode(text);
  if (!bytes) return invalid("invalid base64 encoding: " + bytes.error().context);
  if (bytes->size() > most_bytes)
    return invalid("decoded solana_message::versions::VersionedMessage too large: " +
                   std::to_string(bytes->size()) + " bytes (max: 4096 bytes)");
  return std::move(*bytes);
}

answer get_fee_for_message(const call& c) {
  constexpr std::uint64_t lamports_per_signature = 5000;
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto bytes, read_message_text(*c.params.at(0)));
  const auto m = solana::parse_message(bytes);
  if (!m)
    return invalid("failed to deserialize solana_message::versions::VersionedMessage: " + m.error().context);
  solana::transaction_view tx;
  const std::vector<solana::signature> signatures(m->header.required_signatures);
  tx.signatures = signatures;
  tx.message = *m;
  if (const auto sound = solana::sanitize(tx); !sound)
    return invalid("invalid transaction message: " + sound.error().context);
  RPC_TRY(const auto slot, slot_of(c, config_of(c, 1)));
  if (!is_nonce_of(c, *m)) {
    RPC_TRY(const auto age, age_of(c, *m->blockhash, slot, blocks_remembered));
    if (!age) return in_context(slot, "null");
  }
  const auto& accounts = c.at.options.accounts;
  const auto budget = solana::read_compute_budget(*m, [&](const solana::pubkey& feature) {
    return !accounts || !accounts->bank() || activated_at(*accounts, feature);  // unknown: as of today
  });
  const auto fee = solana::paid_signatures(*m) * lamports_per_signature;
  return in_context(slot, std::to_string(fee + (budget ? budget->fee : 0)));
}

// ---- what transactions bid

void add_bids(const solana::transaction_view& tx, const solana::transaction_meta* meta, block_fees& out) {
  const auto budget = solana::read_compute_budget(tx.message);
  if (!budget || budget->units == 0) return;
  out.least = std::min(out.least.value_or(~0ULL), budget->price);
  const solana::account_keys keys(tx.message.keys, meta);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!solana::is_writable(tx.message, meta, i)) continue;
    const auto [at, added] = out.writing.try_emplace(*keys.find(i), budget->price);
    if (!added) at->second = std::min(at->second, budget->price);
  }
}

rpc_result<std::shared_ptr<const block_fees>> fees_of(const call& c, slot_t slot) {
  if (auto known = c.at.cache.fees.find(slot)) return known;
  const auto b = c.store().read_block(slot);
  if (!b) return translate(c, b.error(), slot);
  block_fees out;
  for (const auto& tx : (*b)->transactions()) {
    if (tx.signatures.empty() || solana::is_simple_vote(tx)) continue;
    std::optional<stored_status> status;
    if (!tx.message.lookups.empty()) {  // only its status tells which accounts were loaded
      auto found = c.store().status(tx.signatures[0], slot);
      if (!found) return translate(c, found.error(), slot);
      status = std::move(*found);
    }
    add_bids(tx, status ? &status->meta : nullptr, out);
  }
  // What is no more than the block's least bid says nothing, and need not be kept.
  std::erase_if(out.writing, [&](const auto& w) { return w.second <= out.least.value_or(0); });
  return c.at.cache.fees.put(slot, std::move(out));
}

rpc_result<std::vector<solana::pubkey>> read_accounts(const json::value* list) {
  constexpr std::size_t most = 128;
  std::vector<solana::pubkey> out;
  if (!list) return out;
  if (!list->is_array())
    return invalid("Invalid params: invalid type: " + type_name(*list) + ", expected a sequence.");
  if (list->get_array().size() > most)
    return invalid("Too many inputs provided; max " + std::to_string(most));
  for (const auto& v : list->get_array()) {
    RPC_TRY(const auto key, read_pubkey(v));
    out.push_back(key);
  }
  return out;
}

// Validators remember the last 150 blocks that were confirmed and had other transactions than votes.
answer get_recent_prioritization_fees(const call& c) {
  constexpr std::size_t most = 150;
  RPC_TRY(const auto accounts, read_accounts(c.params.at(0)));
  std::map<slot_t, std::uint64_t> fees;
  auto slot = slot_at(*c.store().bounds(), commitment::confirmed);
  for (std::size_t walked = 0; slot && walked < most; ++walked) {
    const auto meta = c.store().meta(*slot);
    if (!meta) return translate(c, meta.error(), *slot);
    if (!*meta || !(*meta)->full()) break;  // the ledger begins here
    RPC_TRY(const auto bids, fees_of(c, *slot));
    if (bids->least) {
      auto& fee = fees[*slot] = *bids->least;
      for (const auto& a : accounts)
        if (const auto at = bids->writing.find(a); at != bids->writing.end()) fee = std::max(fee, at->second);
    }
    const auto parent = (*meta)->parent;
    slot = *slot > 0 && parent && *parent < *slot ? parent : std::nullopt;
  }
  std::string text;
  solana::json_writer out(text);
  out.begin_array();
  for (const auto& [at, fee] : fees) {
    out.begin_object();
    out.field("slot", at);
    out.field("prioritizationFee", fee);
    out.end_object();
  }
  out.end_array();
  return text;
}

constexpr rpc_method fee_rows[] = {
    {"isBlockhashValid", is_blockhash_valid, served_from::ledger},
    {"getFeeForMessage", get_fee_for_message, served_from::ledger},
    {"getRecentPrioritizationFees", get_recent_prioritization_fees, served_from::ledger},
};

}  // namespace

std::span<const rpc_method> fee_methods() noexcept {
  return fee_rows;
}

}  // namespace osvm::ledger
