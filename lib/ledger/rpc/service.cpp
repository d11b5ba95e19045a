#include <osvm/ledger/rpc_service.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>

namespace osvm::ledger {

namespace json = boost::json;

struct rpc_service::impl {
  impl(blockstore s, std::optional<genesis> g, rpc_options o)
      : store(std::move(s)), first(std::move(g)), options(std::move(o)) {}
  blockstore store;
  std::optional<genesis> first;
  rpc_options options;
};

namespace {

// An answer that is an error: code, message and a value for "data".
struct rpc_error {
  rpc_error() = default;
  rpc_error(int c, std::string m, std::string d = {}) : code(c), message(std::move(m)), data(std::move(d)) {}
  int code = 0;
  std::string message, data;
};

using answer = boost::system::result<std::string, rpc_error>;
[[noreturn]] inline void throw_exception_from_error(const rpc_error& e, const boost::source_location&) {
  throw std::runtime_error(e.message);
}

rpc_error invalid(std::string what) {
  return {-32602, std::move(what)};
}

// The parameters of one call.
class parameters {
 public:
  explicit parameters(const json::value* v) : array_(v && v->is_array() ? &v->get_array() : nullptr) {}
  const json::value* at(std::size_t i) const {
    return array_ && i < array_->size() && !(*array_)[i].is_null() ? &(*array_)[i] : nullptr;
  }
  std::size_t size() const { return array_ ? array_->size() : 0; }

 private:
  const json::array* array_;
};

struct call {
  const rpc_service::impl& at;
  parameters params;
  const blockstore& store() const { return at.store; }
};

std::string type_name(const json::value& v) {
  if (v.is_string()) return "string " + json::serialize(v);
  if (v.is_bool()) return v.get_bool() ? "boolean `true`" : "boolean `false`";
  if (v.is_object()) return "map";
  if (v.is_array()) return "sequence";
  if (v.is_double()) return "floating point `" + json::serialize(v) + "`";
  if (v.is_int64()) return "integer `" + json::serialize(v) + "`";
  return "null";
}

boost::system::result<std::uint64_t, rpc_error> number(const json::value& v) {
  if (v.is_int64() && v.get_int64() >= 0) return static_cast<std::uint64_t>(v.get_int64());
  if (v.is_uint64()) return v.get_uint64();
  return invalid("Invalid params: invalid type: " + type_name(v) + ", expected u64.");
}

const json::object* config_of(const call& c, std::size_t index) {
  const auto* v = c.params.at(index);
  return v && v->is_object() ? &v->get_object() : nullptr;
}

const json::value* field(const json::object* config, std::string_view name) {
  const auto* v = config ? config->if_contains(name) : nullptr;
  return v && !v->is_null() ? v : nullptr;
}

#define RPC_TRY(decl, ...)                                                              \
  auto OSVM_CONCAT(rpc_try_, __LINE__) = (__VA_ARGS__);                                 \
  if (!OSVM_CONCAT(rpc_try_, __LINE__)) return OSVM_CONCAT(rpc_try_, __LINE__).error(); \
  decl = std::move(OSVM_CONCAT(rpc_try_, __LINE__)).value()

boost::system::result<commitment, rpc_error> read_commitment(const json::object* config) {
  const auto* v = field(config, "commitment");
  if (!v) return commitment::finalized;
  const auto level = v->is_string() ? parse_commitment(v->get_string()) : std::nullopt;
  if (!level)
    return invalid("Invalid params: unknown variant " + json::serialize(*v) +
                   ", expected one of `processed`, `confirmed`, `finalized`.");
  return *level;
}

boost::system::result<commitment, rpc_error> settled_commitment(const json::object* config) {
  RPC_TRY(const auto level, read_commitment(config));
  if (level == commitment::processed) return invalid("Method does not support commitment below `confirmed`");
  return level;
}

boost::system::result<bool, rpc_error> flag(const json::object* config, std::string_view name,
                                            bool otherwise) {
  const auto* v = field(config, name);
  if (!v) return otherwise;
  if (!v->is_bool())
    return invalid("Invalid params: invalid type: " + type_name(*v) + ", expected a boolean.");
  return v->get_bool();
}

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

template <class T>
boost::system::result<T, rpc_error> base58(const json::value& v) {
  if (!v.is_string())
    return invalid("Invalid params: invalid type: " + type_name(v) + ", expected a string.");
  auto parsed = T::parse(v.get_string());
  if (!parsed) return invalid(T::size == 64 ? "Invalid param: Invalid" : "Invalid param: WrongSize");
  return *parsed;
}

answer missing(std::size_t n) {
  return invalid("`params` should have at least " + std::to_string(n) + " argument(s)");
}

// What the ledger says in a validator's words.
rpc_error translate(const call& c, const error& e, slot_t slot) {
  const std::string name = std::to_string(slot);
  if (e.code == errc::cleaned_up)
    return {-32001, "Block " + name + " cleaned up, does not exist on node. First available block: " +
                        std::to_string(c.store().bounds()->first_available)};
  if (e.code == errc::not_rooted) return {-32004, "Block not available for slot " + name};
  if (e.code == errc::skipped || e.code == errc::dead)
    return {-32007, "Slot " + name + " was skipped, or missing due to ledger jump to recent snapshot"};
  if (e.code == errc::incomplete) return {-32014, "Block status not yet available for slot " + name};
  if (e.code == osvm::errc::unsupported) return {-32015, e.context};
  return {-32603, "Internal error: " + e.to_string()};
}

answer wrap(const call& c, result<std::string> made, slot_t slot = 0) {
  if (!made) return translate(c, made.error(), slot);
  return std::move(*made);
}

// methods

answer get_block(const call& c) {
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto slot, number(*c.params.at(0)));
  RPC_TRY(const auto query, read_block_query(c));
  return wrap(c, block_json(c.store(), c.at.first, slot, query), slot);
}

answer get_transaction(const call& c) {
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto signature, base58<solana::signature>(*c.params.at(0)));
  RPC_TRY(const auto query, read_block_query(c));
  return wrap(c, transaction_json(c.store(), c.at.first, signature, query));
}

answer get_signatures_for_address(const call& c) {
  if (!c.params.at(0)) return missing(1);
  RPC_TRY(const auto address, base58<solana::pubkey>(*c.params.at(0)));
  const auto* config = config_of(c, 1);
  signatures_query query;
  RPC_TRY(query.level, settled_commitment(config));
  if (const auto* limit = field(config, "limit")) {
    RPC_TRY(query.limit, number(*limit));
    if (query.limit == 0 || query.limit > 1000) return invalid("Invalid limit; max 1000");
  }
  if (const auto* before = field(config, "before")) {
    RPC_TRY(query.before, base58<solana::signature>(*before));
  }
  if (const auto* until = field(config, "until")) {
    RPC_TRY(query.until, base58<solana::signature>(*until));
  }
  return wrap(c, signatures_json(c.store(), c.at.first, address, query));
}

answer get_slot(const call& c) {
  RPC_TRY(const auto level, read_commitment(config_of(c, 0)));
  const auto slot = slot_at(*c.store().bounds(), level).value_or(0);
  if (const auto* least = field(config_of(c, 0), "minContextSlot")) {
    RPC_TRY(const auto n, number(*least));
    if (slot < n)
      return rpc_error{-32016, "Minimum context slot has not been reached",
                       "{\"contextSlot\":" + std::to_string(slot) + "}"};
  }
  return std::to_string(slot);
}

answer get_block_height(const call& c) {
  RPC_TRY(const auto level, read_commitment(config_of(c, 0)));
  const auto slot = slot_at(*c.store().bounds(), level).value_or(0);
  const auto height = c.store().block_height(slot);
  if (!height) return translate(c, height.error(), slot);
  if (!*height && slot != 0) return rpc_error{-32004, "Block not available for slot " + std::to_string(slot)};
  return std::to_string(height->value_or(0));
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
    RPC_TRY(const auto signature, base58<solana::signature>(item));
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

struct method {
  std::string_view name;
  answer (*run)(const call&);
};
constexpr method methods[] = {
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
    {"getBlockHeight", get_block_height},
    {"getSlot", get_slot},
    {"getFirstAvailableBlock", get_first_available_block},
    {"minimumLedgerSlot", minimum_ledger_slot},
    {"getGenesisHash", get_genesis_hash},
    {"getEpochInfo", get_epoch_info},
    {"getEpochSchedule", get_epoch_schedule},
    {"getRecentPerformanceSamples", get_performance_samples},
    {"getHealth", get_health},
    {"getVersion", get_version},
};

std::string envelope(const answer& a, const std::string& id) {
  std::string out = "{\"jsonrpc\":\"2.0\",";
  if (a) {
    out += "\"result\":" + *a;
  } else {
    solana::json_writer w(out);
    w.key("error");
    w.begin_object();
    w.field("code", a.error().code);
    w.field("message", std::string_view(a.error().message));
    if (!a.error().data.empty()) {
      w.key("data");
      w.raw(a.error().data);
    }
    w.end_object();
  }
  return out + ",\"id\":" + id + "}";
}

std::string answer_one(const rpc_service::impl& at, const json::value& request) {
  const auto invalid_request = [&] { return envelope(rpc_error{-32600, "Invalid request"}, "null"); };
  const auto* o = request.if_object();
  if (!o) return invalid_request();
  const auto* name = o->if_contains("method");
  const auto* version = o->if_contains("jsonrpc");
  const auto* id = o->if_contains("id");
  if (!name || !name->is_string() || !version || !version->is_string() || version->get_string() != "2.0" ||
      (id && (id->is_object() || id->is_array() || id->is_bool())))
    return invalid_request();
  const auto* params = o->if_contains("params");
  if (params && !params->is_array() && !params->is_object() && !params->is_null()) return invalid_request();
  if (!id) return {};  // a notification
  const std::string_view wanted(name->get_string().data(), name->get_string().size());
  const auto* m = std::ranges::find(methods, wanted, &method::name);
  if (m == std::end(methods)) return envelope(rpc_error{-32601, "Method not found"}, json::serialize(*id));
  return envelope(m->run(call{at, parameters(params)}), json::serialize(*id));
}

}  // namespace

rpc_service::rpc_service(blockstore store, std::optional<genesis> g, rpc_options options)
    : impl_(std::make_unique<impl>(std::move(store), std::move(g), std::move(options))) {}
rpc_service::rpc_service(rpc_service&&) noexcept = default;
rpc_service::~rpc_service() = default;

result<bool> rpc_service::refresh() {
  return impl_->store.refresh();
}
const blockstore& rpc_service::store() const noexcept {
  return impl_->store;
}
const rpc_options& rpc_service::options() const noexcept {
  return impl_->options;
}

std::string rpc_service::handle(std::string_view body) const {
  if (body.size() > impl_->options.max_body) return envelope(rpc_error{-32600, "Invalid request"}, "null");
  json::parse_options how;
  how.max_depth = impl_->options.max_depth;
  boost::system::error_code failed;
  const auto request = json::parse({body.data(), body.size()}, failed, {}, how);
  if (failed) return envelope(rpc_error{-32700, "Parse error"}, "null");
  if (!request.is_array()) return answer_one(*impl_, request);
  const auto& batch = request.get_array();
  if (batch.empty() || batch.size() > impl_->options.max_batch)
    return envelope(rpc_error{-32600, "Invalid request"}, "null");
  std::string out;
  for (const auto& one : batch) {
    auto text = answer_one(*impl_, one);
    if (text.empty()) continue;
    out += out.empty() ? "[" : ",";
    out += text;
  }
  return out.empty() ? out : out + "]";
}

}  // namespace osvm::ledger
