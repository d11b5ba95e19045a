#include "call.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>

namespace osvm::ledger {

void throw_exception_from_error(const rpc_error& e, const boost::source_location&) {
  throw std::runtime_error(e.message);
}

rpc_error invalid(std::string what) {
  return {-32602, std::move(what)};
}

answer missing(std::size_t n) {
  return invalid("`params` should have at least " + std::to_string(n) + " argument(s)");
}

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

rpc_result<slot_t> not_before(const json::object* config, slot_t slot) {
  if (const auto* least = field(config, "minContextSlot")) {
    RPC_TRY(const auto n, number(*least));
    if (slot < n)
      return rpc_error{-32016, "Minimum context slot has not been reached",
                       "{\"contextSlot\":" + std::to_string(slot) + "}"};
  }
  return slot;
}

namespace {

bool is_base58(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= '1' && c <= '9') || (c >= 'A' && c <= 'Z' && c != 'I' && c != 'O') ||
           (c >= 'a' && c <= 'z' && c != 'l');
  });
}

// "WrongSize" and "Invalid" are the names that validators print.
template <class T>
rpc_result<T> base58(const json::value& v, std::size_t longest) {
  if (!v.is_string())
    return invalid("Invalid params: invalid type: " + type_name(v) + ", expected a string.");
  const std::string_view text(v.get_string().data(), v.get_string().size());
  if (auto parsed = T::parse(text)) return *parsed;
  return invalid(text.size() > longest || is_base58(text) ? "Invalid param: WrongSize"
                                                          : "Invalid param: Invalid");
}

}  // namespace

rpc_result<solana::pubkey> read_pubkey(const json::value& v) {
  return base58<solana::pubkey>(v, 44);
}
rpc_result<solana::signature> read_signature(const json::value& v) {
  return base58<solana::signature>(v, 88);
}

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

answer wrap(const call& c, result<std::string> made, slot_t slot) {
  if (!made) return translate(c, made.error(), slot);
  return std::move(*made);
}

}  // namespace osvm::ledger
