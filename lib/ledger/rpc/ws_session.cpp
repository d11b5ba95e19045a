#include "ws_session.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "forward.hpp"

namespace osvm::ledger {
namespace {

using net::websocket_message;

// Ours begin here, so that those of the upstream, which are passed on as they are, never meet them. Still
// exact in a double.
constexpr std::uint64_t first_subscription = 1ULL << 40;

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() > end.size() && text.ends_with(end);
}

}  // namespace

ws_session::ws_session(const rpc_service::impl& at, std::uint64_t id, ws_limits limits)
    : at_(at),
      id_(id),
      limits_(limits),
      in_(net::websocket_role::server, limits.max_message),
      next_subscription_(first_subscription) {}

ws_session::~ws_session() {
  if (at_.options.upstream) at_.options.upstream->drop_bridge(id_);
}

void ws_session::queue(websocket_message::kind type, std::string_view data) {
  if (closing_) return;
  if (type == websocket_message::kind::text && queued_ + data.size() > limits_.max_queued)
    return close(1008, "too slow: notifications were not taken");
  std::string frame;
  net::append_websocket_frame(frame, type, data, std::nullopt);
  queued_ += frame.size();
  frames_.push_back(std::move(frame));
}

// What waits is given up: a client that does not take it would not get to the reason.
void ws_session::close(std::uint16_t code, std::string_view reason) {
  if (closing_) return;
  frames_.clear();
  pong_.reset();
  queued_ = 0;
  queue(websocket_message::kind::close, net::websocket_close_payload(code, reason));
  closing_ = true;
  subscriptions_.clear();
}

std::string ws_session::next_frame() {
  if (pong_) {
    std::string out;
    net::append_websocket_frame(out, websocket_message::kind::pong, *pong_, std::nullopt);
    pong_.reset();
    return out;
  }
  if (frames_.empty()) return {};
  auto out = std::move(frames_.front());
  frames_.pop_front();
  queued_ -= out.size();
  pinging_ = pinging_ && !frames_.empty();
  return out;
}

void ws_session::ping() {
  if (std::exchange(pinging_, true)) return;  // the last one is not sent yet
  queue(websocket_message::kind::ping, {});
}

void ws_session::feed(std::string_view bytes) {
  if (closing_) return;
  in_.feed(bytes);
  unread_ = false;
  for (std::size_t handled = 0; !closing_; ++handled) {
    if (handled == most_at_once) return void(unread_ = true);
    const auto m = in_.next();
    if (!m) return close(in_.failure_code(), m.error().context);
    if (!*m) return;
    switch ((**m).type) {
      case websocket_message::kind::text: on_message((**m).data); break;
      case websocket_message::kind::binary: close(1003, "text only"); break;
      case websocket_message::kind::ping: pong_ = (**m).data; break;
      case websocket_message::kind::pong: break;
      case websocket_message::kind::close: close((**m).code == 1005 ? 1000 : (**m).code, {}); break;
    }
  }
}

void ws_session::on_message(std::string_view text) {
  json::parse_options how;
  how.max_depth = at_.options.max_depth;
  boost::system::error_code failed;
  const auto v = json::parse({text.data(), text.size()}, failed, {}, how);
  std::string out;
  created_.reset();
  if (failed)
    out = envelope(rpc_error{-32700, "Parse error"}, "null");
  else if (const auto* o = v.if_object())
    out = on_call(*o, text);
  else
    out = envelope(rpc_error{-32600, "Invalid request"}, "null");
  if (!out.empty()) queue(websocket_message::kind::text, out);
  // What is there already is told after the answer that names the subscription.
  const auto at = closing_ || !created_ ? subscriptions_.end() : subscriptions_.find(*created_);
  if (at == subscriptions_.end() || at->second.type != subscription::kind::signature) return;
  const auto now = signature_result(at_, at->second);
  if (now.empty()) return;
  notify(at->first, at->second, now);
  if (!closing_) subscriptions_.erase(*created_);
}

std::string ws_session::on_call(const json::object& request, std::string_view text) {
  const auto* name = request.if_contains("method");
  const auto* id = request.if_contains("id");
  if (!name || !name->is_string() || (id && (id->is_object() || id->is_array() || id->is_bool())))
    return envelope(rpc_error{-32600, "Invalid request"}, "null");
  if (!id) return {};
  const std::string_view method(name->get_string().data(), name->get_string().size());
  const auto own = json::serialize(*id);
  const call c{at_, parameters(request.if_contains("params"))};
  if (ends_with(method, "Unsubscribe")) return unsubscribe(c, own, text);
  if (ends_with(method, "Subscribe")) return subscribe(c, method, own, text);
  return envelope(rpc_error{-32601, "Method not found"}, own);
}

std::string ws_session::subscribe(const call& c, std::string_view method, const std::string& id,
                                  std::string_view text) {
  if (subscriptions_.size() + forwarded_ >= limits_.max_subscriptions)
    return envelope(
        rpc_error{-32603, "Internal error: Subscription refused. Client subscription limit reached"}, id);
  auto wanted = read_subscription(c, method);
  if (!wanted) return envelope(wanted.error(), id);
  if (!*wanted) return forward(id, text);
  const auto number = next_subscription_++;
  subscriptions_.emplace(number, **wanted);
  created_ = number;
  return envelope(std::to_string(number), id);
}

std::string ws_session::unsubscribe(const call& c, const std::string& id, std::string_view text) {
  if (!c.params.at(0)) return envelope(missing(1), id);
  const auto number = ledger::number(*c.params.at(0));
  if (!number) return envelope(number.error(), id);
  if (subscriptions_.erase(*number)) return envelope(std::string("true"), id);
  // The upstream's numbers are its own affair; only what was ours is known to be gone.
  const bool was_ours = *number >= first_subscription && *number < next_subscription_;
  if (forwarded_ == 0 || was_ours) return envelope(rpc_error{-32602, "Invalid subscription id."}, id);
  --forwarded_;
  at_.options.upstream->send(id_, std::string(text));
  return {};
}

std::string ws_session::forward(const std::string& id, std::string_view text) {
  if (!at_.options.upstream)
    return envelope(rpc_error{-32601,
                              "Method not found: a ledger alone does not hold what this tells; start with "
                              "--upstream URL"},
                    id);
  ++forwarded_;
  at_.options.upstream->send(id_, std::string(text));
  return {};
}

void ws_session::notify(std::uint64_t subscription_id, const subscription& s, std::string_view result) {
  std::string out = "{\"jsonrpc\":\"2.0\",\"method\":\"";
  out += notification_name(s.type);
  out += "\",\"params\":{\"result\":";
  out += result;
  out += ",\"subscription\":" + std::to_string(subscription_id) + "}}";
  queue(websocket_message::kind::text, out);
}

void ws_session::advance(const ledger_step& step, text_cache& cache) {
  for (auto at = subscriptions_.begin(); at != subscriptions_.end() && !closing_;) {
    const auto [id, s] = *at++;
    const auto results = results_of(at_, s, step, cache);
    for (const auto& r : *results) {
      notify(id, s, r);
      if (closing_) return;  // the subscriptions are gone
    }
    if (s.type == subscription::kind::signature && !results->empty()) subscriptions_.erase(id);
  }
}

void ws_session::on_upstream(const upstream_event& e) {
  if (e.type == upstream_event::kind::message) return queue(websocket_message::kind::text, e.text);
  // Subscriptions are lost with it: the client must know, or it would wait for notifications for ever.
  if (e.type == upstream_event::kind::closed) close(1014, "the upstream ended: " + e.text);
}

}  // namespace osvm::ledger
