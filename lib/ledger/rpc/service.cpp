#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "forward.hpp"

namespace osvm::ledger {

std::span<const std::span<const rpc_method>> method_tables() noexcept {
  static const std::span<const rpc_method> tables[] = {
      history_methods(), cluster_methods(), account_methods(), token_methods(),
      stake_methods(),   leader_methods(),  supply_methods(),  fee_methods()};
  return tables;
}

const rpc_method* find_method(std::string_view name) {
  for (const auto table : method_tables())
    if (const auto m = std::ranges::find(table, name, &rpc_method::name); m != table.end()) return &*m;
  return nullptr;
}

std::string envelope(const answer& a, const std::string& id) {
  std::string out;
  out.reserve((a ? a->size() : a.error().message.size()) + id.size() + 64);  // blocks are megabytes
  out += "{\"jsonrpc\":\"2.0\",";
  if (a) {
    out += "\"result\":";
    out += *a;
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
  out += ",\"id\":";
  out += id;
  out += '}';
  return out;
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
  const auto* m = find_method(wanted);
  if (!m)
    return envelope(upstream_missing(wanted).value_or(rpc_error{-32601, "Method not found"}),
                    json::serialize(*id));
  return envelope(m->run(call{at, parameters(params)}), json::serialize(*id));
}

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
