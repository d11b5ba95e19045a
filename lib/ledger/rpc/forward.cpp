#include "forward.hpp"

#include <osvm/core/text.hpp>

#include <osvm/solana/json_slices.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

#include "json_check.hpp"

namespace osvm::ledger {
namespace {

constexpr std::size_t most_forwarded = 64;  // of one batch

bool among(std::span<const std::string_view> names, std::string_view method) noexcept {
  return std::ranges::find(names, method) != names.end();
}

bool is_live(std::string_view method) noexcept {
  return among(live_methods(), method);
}

// The method of a well-formed call (not of a notification), which another node could answer.
std::optional<std::string_view> method_of(const json::value& request) {
  const auto* o = request.if_object();
  const auto* name = o ? o->if_contains("method") : nullptr;
  const auto* version = o ? o->if_contains("jsonrpc") : nullptr;
  const auto* id = o ? o->if_contains("id") : nullptr;
  if (!name || !name->is_string() || !version || !version->is_string() || version->get_string() != "2.0")
    return std::nullopt;
  if (!id || !(id->is_string() || id->is_number() || id->is_null())) return std::nullopt;
  return std::string_view(name->get_string().data(), name->get_string().size());
}

rpc_plan::part make_part(const rpc_service::impl& at, const json::value& request, std::string_view text) {
  rpc_plan::part out;
  const auto method = method_of(request);
  if (!method || !wants_upstream(at, *method)) {
    out.answer = answer_one(at, request);
    return out;
  }
  out.id = json::serialize(request.get_object().at("id"));
  out.method = *method;
  out.request = text.empty() ? json::serialize(request) : std::string(text);
  return out;
}

// Whether an id means the same as ours, which is written as Boost writes it.
bool same_id(std::string_view theirs, const std::string& ours) {
  if (theirs == ours) return true;
  if (theirs.size() > 6 * ours.size() + 64) return false;  // not even if all of it were escaped
  boost::system::error_code failed;
  const auto v = json::parse({theirs.data(), theirs.size()}, failed);
  return !failed && json::serialize(v) == ours;
}

}  // namespace

std::span<const std::string_view> live_methods() noexcept {
  static constexpr std::string_view names[] = {"sendTransaction", "simulateTransaction", "getLatestBlockhash",
                                               "requestAirdrop"};
  return names;
}

bool wants_upstream(const rpc_service::impl& at, std::string_view method) noexcept {
  const auto* m = find_method(method);
  if (!m || is_live(method)) return true;
  const auto& accounts = at.options.accounts;
  switch (m->source) {
    case served_from::ledger: return false;
    case served_from::accounts: return !accounts;
    case served_from::bank: return !accounts || !accounts->bank();
    case served_from::nothing: break;
  }
  return true;
}

std::optional<rpc_error> upstream_missing(std::string_view method) {
  if (!is_live(method)) return std::nullopt;
  return rpc_error{-32601, std::string(method) + " needs an upstream: start with --upstream URL"};
}

std::size_t rpc_plan::missing() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(parts, [](const part& p) { return !p.request.empty() && p.answer.empty(); }));
}

std::size_t rpc_plan::answer_size() const noexcept {
  std::size_t bytes = 0, count = 0;
  for (const auto& p : parts) {
    bytes += p.answer.size();
    count += !p.answer.empty();
  }
  return !batch || count == 0 ? bytes : bytes + count + 1;  // with brackets and commas
}

// Each part goes as soon as it is copied: an answer exists little more than once.
void rpc_plan::append_answer(std::string& out) {
  out.reserve(out.size() + answer_size());
  bool any = false;
  for (auto& p : parts) {
    if (p.answer.empty()) continue;
    if (batch) out += std::exchange(any, true) ? "," : "[";
    out += std::exchange(p.answer, {});
  }
  if (any) out += "]";
  parts.clear();
}

std::optional<rpc_plan> plan_forwarding(const rpc_service::impl& at, std::string_view body) {
  if (!at.options.upstream || body.size() > at.options.max_body) return std::nullopt;
  json::parse_options how;
  how.max_depth = at.options.max_depth;
  boost::system::error_code failed;
  const auto request = json::parse({body.data(), body.size()}, failed, {}, how);
  if (failed) return std::nullopt;
  const auto forwards = [&](const json::value& v) {
    const auto m = method_of(v);
    return m && wants_upstream(at, *m);
  };
  rpc_plan out;
  if (!request.is_array()) {
    if (!forwards(request)) return std::nullopt;
    out.parts.push_back(make_part(at, request, body));
    return out;
  }
  const auto& all = request.get_array();
  const auto count = std::ranges::count_if(all, forwards);
  if (all.size() > at.options.max_batch || count == 0) return std::nullopt;
  out.batch = true;
  std::size_t forwarded = 0;
  for (const auto& one : all) {
    auto part = make_part(at, one, {});
    if (!part.request.empty() && ++forwarded > most_forwarded)
      part.answer = upstream_failure(part, "a batch may hold at most 64 calls for the upstream");
    out.parts.push_back(std::move(part));
  }
  return out;
}

// No tree is made of it: an answer of some megabytes would become one of ten times that.
std::string checked_answer(const rpc_plan::part& p, std::string text) {
  const auto id = is_json(text, 64) ? solana::json_member(text, "id") : std::nullopt;
  const bool shaped = id && (solana::json_member(text, "result") || solana::json_member(text, "error"));
  if (!shaped || (*id != "null" && !same_id(*id, p.id)))
    return upstream_failure(p, "what it answered is no JSON-RPC answer to this call");
  return text;
}

std::string upstream_failure(const rpc_plan::part& p, std::string_view why) {
  return envelope(rpc_error{-32603, "Internal error: the upstream could not answer " +
                                        printable(p.method, 64) + ": " + std::string(why)},
                  p.id);
}

}  // namespace osvm::ledger
