#include "feed.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>

namespace osvm::ledger {
namespace {

using kind = subscription::kind;

void keep_newest(std::vector<slot_t>& slots) {
  if (slots.size() > ledger_step::most)
    slots.erase(slots.begin(), slots.end() - static_cast<std::ptrdiff_t>(ledger_step::most));
}

std::vector<slot_t> roots_between(const blockstore& store, std::optional<slot_t> after,
                                  std::optional<slot_t> to) {
  if (!to || (after && *after >= *to)) return {};
  const slot_t span = ledger_step::most * 4;
  const slot_t from = std::max(after ? *after + 1 : 0, *to > span ? *to - span : 0);
  auto out = store.roots(from, *to, span + 1);
  if (!out) return {};
  keep_newest(*out);
  return std::move(*out);
}

commitment level_of(const json::object* config, commitment otherwise) {
  const auto* v = field(config, "commitment");
  const auto level = v && v->is_string() ? parse_commitment(v->get_string()) : std::nullopt;
  return level.value_or(otherwise);
}

rpc_result<subscription> read_logs(const call& c) {
  subscription out{.type = kind::logs};
  const auto* filter = c.params.at(0);
  if (!filter) return missing(1).error();
  out.level = level_of(config_of(c, 1), commitment::finalized);
  if (filter->is_string() && (filter->get_string() == "all" || filter->get_string() == "allWithVotes")) {
    out.votes = filter->get_string() == "allWithVotes";
    return out;
  }
  const auto* o = filter->if_object();
  const auto* list = o ? o->if_contains("mentions") : nullptr;
  if (!list || !list->is_array())
    return invalid("Invalid params: expected `all`, `allWithVotes` or an object with `mentions`.");
  if (list->get_array().size() != 1) return invalid("Invalid Request: Only 1 address supported");
  RPC_TRY(out.mentions, read_pubkey(list->get_array()[0]));
  out.votes = true;
  return out;
}

// A block subscription with "all"; one that names an account is not ours.
rpc_result<std::optional<subscription>> read_block(const call& c) {
  subscription out{.type = kind::block};
  const auto* filter = c.params.at(0);
  if (!filter) return missing(1).error();
  if (filter->is_object() && filter->get_object().contains("mentionsAccountOrProgram"))
    return std::optional<subscription>();
  if (!filter->is_string() || filter->get_string() != "all")
    return invalid("Invalid params: expected `all` or an object with `mentionsAccountOrProgram`.");
  RPC_TRY(out.query, read_block_query(c));
  const auto* rewards = field(config_of(c, 1), "showRewards");
  if (rewards && rewards->is_bool()) out.query.encode.rewards = rewards->get_bool();
  out.level = out.query.level;
  return std::optional(out);
}

rpc_result<subscription> read_signature_subscription(const call& c) {
  subscription out{.type = kind::signature};
  if (!c.params.at(0)) return missing(1).error();
  RPC_TRY(out.signature, read_signature(*c.params.at(0)));
  out.level = level_of(config_of(c, 1), commitment::finalized);
  return out;
}

std::span<const slot_t> new_slots(const ledger_step& step, commitment level, std::vector<slot_t>& own) {
  if (level == commitment::finalized) return step.finalized;
  if (level == commitment::confirmed) return step.confirmed;
  for (const auto& s : step.processed) own.push_back(s.slot);
  return own;
}

void write_context(solana::json_writer& out, slot_t slot) {
  out.key("context");
  out.begin_object();
  out.field("slot", slot);
  out.end_object();
}

std::string block_result(const rpc_service::impl& at, const subscription& s, slot_t slot) {
  const auto block = block_json(at.store, at.first, slot, s.query);
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  write_context(out, slot);
  out.key("value");
  out.begin_object();
  out.field("slot", slot);
  out.key("block");
  block ? out.raw(*block) : out.null();
  out.key("err");
  block ? out.null() : out.string("BlockStoreError");
  out.end_object();
  out.end_object();
  return text;
}

bool mentioned(const solana::transaction_view& tx, const solana::transaction_meta& meta,
               const solana::pubkey& who) {
  return std::ranges::find(tx.message.keys, who) != tx.message.keys.end() ||
         std::ranges::find(meta.loaded_writable, who) != meta.loaded_writable.end() ||
         std::ranges::find(meta.loaded_readonly, who) != meta.loaded_readonly.end();
}

std::string log_result(slot_t slot, const solana::signature& signature,
                       const solana::transaction_meta& meta) {
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  write_context(out, slot);
  out.key("value");
  out.begin_object();
  out.field("signature", signature);
  out.key("err");
  meta.err ? solana::write_json(out, *meta.err) : out.null();
  out.key("logs");
  out.begin_array();
  for (const auto& line : meta.logs.value_or(std::vector<std::string_view>())) out.string(line);
  out.end_array();
  out.end_object();
  out.end_object();
  return text;
}

void add_logs(const rpc_service::impl& at, const subscription& s, slot_t slot,
              std::vector<std::string>& out) {
  const auto block = at.store.read_block(slot);
  if (!block) return;
  for (const auto& tx : (**block).transactions()) {
    if (tx.signatures.empty() || (!s.votes && solana::is_simple_vote(tx))) continue;
    const auto status = at.store.status(tx.signatures[0], slot);
    if (!status || !*status || (s.mentions && !mentioned(tx, (*status)->meta, *s.mentions))) continue;
    out.push_back(log_result(slot, tx.signatures[0], (*status)->meta));
  }
}

// Equal names mean equal texts.
std::string cache_name(const subscription& s) {
  std::string out =
      std::to_string(static_cast<int>(s.type)) + "/" + std::to_string(static_cast<int>(s.level));
  if (s.type == kind::logs) return out + (s.votes ? "v" : "") + (s.mentions ? s.mentions->to_string() : "");
  const auto& q = s.query;
  return out + "/" + std::to_string(static_cast<int>(q.details)) + "/" +
         std::to_string(static_cast<int>(q.encode.encoding)) + (q.encode.rewards ? "r" : "") +
         (q.encode.max_version ? std::to_string(*q.encode.max_version) : "");
}

std::vector<std::string> block_texts(const rpc_service::impl& at, const subscription& s,
                                     const ledger_step& step) {
  std::vector<std::string> out;
  std::vector<slot_t> own;
  for (const slot_t slot : new_slots(step, s.level, own)) {
    if (s.type == kind::block)
      out.push_back(block_result(at, s, slot));
    else
      add_logs(at, s, slot, out);
  }
  return out;
}

}  // namespace

std::vector<ledger_step> ledger_step::pieces() const {
  std::vector<ledger_step> out;
  const auto add = [&]() -> ledger_step& {
    out.push_back({.root = root, .last = false});
    return out.back();
  };
  for (const auto& s : processed) add().processed.push_back(s);
  for (const auto s : confirmed) add().confirmed.push_back(s);
  for (const auto s : finalized) add().finalized.push_back(s);
  if (!out.empty()) out.back().last = true;
  return out;
}

ledger_feed::ledger_feed(const rpc_service::impl& at) : at_(at), seen_(at.store.bounds()) {
  if (seen_->highest_full) (void)new_full_slots(*seen_->highest_full);
}

std::vector<ledger_step::full_slot> ledger_feed::new_full_slots(slot_t highest) {
  constexpr slot_t span = ledger_step::most * 4;
  const slot_t from = highest > span ? highest - span : 0;
  std::vector<ledger_step::full_slot> out;
  (void)at_.store.each_meta(from, [&](const slot_meta& m) {
    if (m.slot > highest) return false;
    if (m.full() && told_.insert(m.slot).second) out.push_back({m.slot, m.parent.value_or(0)});
    return m.slot < highest;
  });
  told_.erase(told_.begin(), told_.lower_bound(from));
  if (out.size() > ledger_step::most)
    out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(ledger_step::most));
  return out;
}

ledger_step ledger_feed::advance() {
  if (at_.store.bounds() == seen_) return {};
  const auto before = std::exchange(seen_, at_.store.bounds());
  const auto& now = *seen_;
  ledger_step out;
  out.root = now.last_root.value_or(0);
  if (now.highest_full) out.processed = new_full_slots(*now.highest_full);
  out.finalized = roots_between(at_.store, before->last_root, now.last_root);
  // Confirmed is what is rooted or on the way from the last confirmed slot to the last root.
  const auto old_confirmed = std::max(before->last_confirmed.value_or(0), before->last_root.value_or(0));
  for (const auto s : out.finalized)
    if (s > old_confirmed) out.confirmed.push_back(s);
  for (const auto s : now.confirmed_unrooted)
    if (s > old_confirmed) out.confirmed.push_back(s);
  keep_newest(out.confirmed);
  return out;
}

rpc_result<std::optional<subscription>> read_subscription(const call& c, std::string_view method) {
  if (method == "slotSubscribe") return std::optional(subscription{.type = kind::slot});
  if (method == "rootSubscribe") return std::optional(subscription{.type = kind::root});
  if (method == "blockSubscribe") return read_block(c);
  if (method == "logsSubscribe") {
    RPC_TRY(auto s, read_logs(c));
    return std::optional(std::move(s));
  }
  if (method == "signatureSubscribe") {
    RPC_TRY(auto s, read_signature_subscription(c));
    return std::optional(std::move(s));
  }
  return std::optional<subscription>();
}

std::string_view notification_name(kind type) noexcept {
  switch (type) {
    case kind::slot: return "slotNotification";
    case kind::root: return "rootNotification";
    case kind::block: return "blockNotification";
    case kind::logs: return "logsNotification";
    case kind::signature: return "signatureNotification";
  }
  return "";
}

namespace {

// What needs no block.
std::vector<std::string> short_results(const rpc_service::impl& at, const subscription& s,
                                       const ledger_step& step) {
  std::vector<std::string> out;
  switch (s.type) {
    case kind::slot:
      for (const auto& p : step.processed)
        out.push_back("{\"parent\":" + std::to_string(p.parent) + ",\"root\":" + std::to_string(step.root) +
                      ",\"slot\":" + std::to_string(p.slot) + "}");
      return out;
    case kind::root:
      for (const auto slot : step.finalized) out.push_back(std::to_string(slot));
      return out;
    case kind::signature: {
      auto text = step.last ? signature_result(at, s) : std::string();
      if (!text.empty()) out.push_back(std::move(text));
      return out;
    }
    case kind::block:
    case kind::logs: break;
  }
  return out;
}

}  // namespace

result_texts results_of(const rpc_service::impl& at, const subscription& s, const ledger_step& step,
                        text_cache& cache) {
  if (s.type != kind::block && s.type != kind::logs)
    return std::make_shared<const std::vector<std::string>>(short_results(at, s, step));
  auto& found = cache[cache_name(s)];
  if (!found) found = std::make_shared<const std::vector<std::string>>(block_texts(at, s, step));
  return found;
}

std::string signature_result(const rpc_service::impl& at, const subscription& s) {
  const auto status = at.store.find_status(s.signature, [&](slot_t slot) {
    if (s.level == commitment::processed) return true;
    const auto settled = is_settled(at.store, slot, s.level);
    return settled && *settled;
  });
  if (!status || !*status) return {};
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  write_context(out, slot_at(*at.store.bounds(), s.level).value_or(0));
  out.key("value");
  out.begin_object();
  out.key("err");
  (*status)->meta.err ? solana::write_json(out, *(*status)->meta.err) : out.null();
  out.end_object();
  out.end_object();
  return text;
}

}  // namespace osvm::ledger
