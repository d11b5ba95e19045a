// Blocks, transactions and signatures.
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "call.hpp"

namespace osvm::ledger {
boost::system::result<block_query, rpc_error> read_block_query(const call& c) {
  block_query out;
  const auto* second = c.params.at(1);
  const auto* config = config_of(c, 1);
  const auto* encoding = second && second->is_string() ? second : field(config, "encoding");
  if (encoding) {
    const auto e = encoding->is_string() ? solana::parse_encoding(encoding->get_string()) : std::nullopt;
    if (!e)
      return invalid("Invalid params: unknown variant " + json::serialize(*encoding) +
                     ", expected one of `binary`, `base64`, `base58`, `json`, `jsonParsed`.");
    out.encode.encoding = *e;
  }
  if (const auto* details = field(config, "transactionDetails")) {
    const auto d = details->is_string() ? solana::parse_details(details->get_string()) : std::nullopt;
    if (!d)
      return invalid("Invalid params: unknown variant " + json::serialize(*details) +
                     ", expected one of `full`, `signatures`, `none`, `accounts`.");
    out.details = *d;
  }
  RPC_TRY(out.encode.rewards, flag(config, "rewards", true));
  if (const auto* version = field(config, "maxSupportedTransactionVersion")) {
    RPC_TRY(const auto v, number(*version));
    if (v > 255)
      return invalid("Invalid params: invalid value: integer `" + std::to_string(v) + "`, expected u8.");
    out.encode.max_version = static_cast<std::uint8_t>(v);
  }
  RPC_TRY(out.level, settled_commitment(config));
  return out;
}

namespace {

answer get_block(const call& c) {
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto slot, number(*c.params.at(0)));
  RPC_TRY(const auto query, read_block_query(c));
  return wrap(c, block_json(c.store(), c.at.first, slot, query), slot);
}

answer get_transaction(const call& c) {
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto signature, read_signature(*c.params.at(0)));
  RPC_TRY(const auto query, read_block_query(c));
  return wrap(c, transaction_json(c.store(), c.at.first, signature, query));
}

answer get_signatures_for_address(const call& c) {
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto address, read_pubkey(*c.params.at(0)));
  const auto* config = config_of(c, 1);
  signatures_query query;
  RPC_TRY(query.level, settled_commitment(config));
  if (const auto* limit = field(config, "limit")) {
    RPC_TRY(query.limit, number(*limit));
    if (query.limit == 0 || query.limit > 1000) return invalid("Invalid limit; max 1000");
  }
  if (const auto* before = field(config, "before")) {
    RPC_TRY(query.before, read_signature(*before));
  }
  if (const auto* until = field(config, "until")) {
    RPC_TRY(query.until, read_signature(*until));
  }
  return wrap(c, signatures_json(c.store(), c.at.first, address, query));
}

answer get_block_time(const call& c) {
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto slot, number(*c.params.at(0)));
  if (slot == 0 && c.at.first) return std::to_string(c.at.first->creation_time);
  const auto b = c.store().bounds();
  if (!b->last_root || slot > *b->last_root)
    return rpc_error{-32004, "Block not available for slot " + std::to_string(slot)};
  const auto root = c.store().is_root(slot);
  if (!root) return translate(c, root.error(), slot);
  if (!*root) return translate(c, error(slot < b->first_available ? errc::cleaned_up : errc::skipped), slot);
  const auto time = c.store().block_time(slot);
  if (!time) return translate(c, time.error(), slot);
  return *time ? std::to_string(**time) : std::string("null");
}

std::string array_of(const std::vector<slot_t>& slots) {
  std::string text;
  solana::json_writer out(text);
  out.begin_array();
  for (const auto s : slots) out.number(s);
  out.end_array();
  return text;
}

answer list_blocks(const call& c, slot_t from, slot_t to, std::size_t limit, commitment level) {
  auto slots = c.store().roots(from, to, limit);
  if (!slots) return translate(c, slots.error(), from);
  if (level == commitment::confirmed)
    for (const auto s : c.store().bounds()->confirmed_unrooted)
      if (s >= from && s <= to && slots->size() < limit) slots->push_back(s);
  return array_of(*slots);
}

constexpr std::uint64_t max_range = 500000;

answer get_blocks(const call& c) {
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto from, number(*c.params.at(0)));
  const bool has_end = c.params.at(1) && !c.params.at(1)->is_object();
  RPC_TRY(const auto level, settled_commitment(config_of(c, has_end || c.params.size() > 2 ? 2 : 1)));
  auto to = slot_at(*c.store().bounds(), level).value_or(0);
  if (has_end) {
    RPC_TRY(const auto end, number(*c.params.at(1)));
    if (end < from) return std::string("[]");
    if (end - from > max_range) return invalid("Slot range too large; max " + std::to_string(max_range));
    to = std::min(to, end);
  }
  if (to < from) return std::string("[]");
  if (to - from > max_range) return invalid("Slot range too large; max " + std::to_string(max_range));
  return list_blocks(c, from, to, max_range + 1, level);
}

answer get_blocks_with_limit(const call& c) {
  if (!c.params.at(0) || !c.params.at(1)) return missing(2);
  RPC_TRY(const auto from, number(*c.params.at(0)));
  RPC_TRY(const auto limit, number(*c.params.at(1)));
  RPC_TRY(const auto level, settled_commitment(config_of(c, 2)));
  if (limit > max_range) return invalid("Limit too large; max " + std::to_string(max_range));
  return list_blocks(c, from, ~0ULL, limit, level);
}

answer get_signature_statuses(const call& c) {
  const auto* list = c.params.at(0);
  if (!list) return missing(1);
  if (!list->is_array())
    return invalid("Invalid params: invalid type: " + type_name(*list) + ", expected a sequence.");
  if (list->get_array().size() > 256) return invalid("Too many inputs provided; max 256");
  const auto b = c.store().bounds();
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  out.key("context");
  out.begin_object();
  out.field("slot", slot_at(*b, commitment::processed).value_or(0));
  out.end_object();
  out.key("value");
  out.begin_array();
  for (const auto& item : list->get_array()) {
    RPC_TRY(const auto signature, read_signature(item));
    const auto status = c.store().find_status(signature, [](slot_t) { return true; });
    if (!status) return translate(c, status.error(), 0);
    if (!*status) {
      out.null();
      continue;
    }
    const auto rooted = c.store().is_root((*status)->slot);
    const auto& err = (*status)->meta.err;
    out.begin_object();
    out.field("slot", (*status)->slot);
    out.key("confirmations");
    rooted&&* rooted ? out.null() : out.number(std::uint64_t{0});
    out.key("status");
    out.begin_object();
    out.key(err ? "Err" : "Ok");
    err ? solana::write_json(out, *err) : out.null();
    out.end_object();
    out.key("err");
    err ? solana::write_json(out, *err) : out.null();
    out.field("confirmationStatus", rooted && *rooted                                 ? "finalized"
                                    : b->confirmed_unrooted.contains((*status)->slot) ? "confirmed"
                                                                                      : "processed");
    out.end_object();
  }
  out.end_array();
  out.end_object();
  return text;
}

constexpr rpc_method history_rows[] = {
    {"getBlock", get_block},
    {"getConfirmedBlock", get_block},
    {"getTransaction", get_transaction},
    {"getConfirmedTransaction", get_transaction},
    {"getSignaturesForAddress", get_signatures_for_address},
    {"getConfirmedSignaturesForAddress2", get_signatures_for_address},
    {"getSignatureStatuses", get_signature_statuses},
    {"getBlocks", get_blocks},
    {"getConfirmedBlocks", get_blocks},
    {"getBlocksWithLimit", get_blocks_with_limit},
    {"getConfirmedBlocksWithLimit", get_blocks_with_limit},
    {"getBlockTime", get_block_time},
};

}  // namespace

std::span<const rpc_method> history_methods() noexcept {
  return history_rows;
}

}  // namespace osvm::ledger
