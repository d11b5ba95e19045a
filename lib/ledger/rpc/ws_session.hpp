// One WebSocket client of the RPC server: its subscriptions, and what waits to be sent to it. Sans I/O.
#pragma once

#include "feed.hpp"

#include <osvm/ledger/rpc_server.hpp>
#include <osvm/ledger/rpc_upstream.hpp>
#include <osvm/net/websocket_frames.hpp>

#include <deque>

namespace osvm::ledger {

// Not thread-safe; `at` and the upstream must outlive it.
class ws_session final {
 public:
  // `id` names its bridge to the upstream.
  ws_session(const rpc_service::impl& at, std::uint64_t id, ws_limits limits);
  ~ws_session();
  ws_session(const ws_session&) = delete;
  ws_session& operator=(const ws_session&) = delete;

  // Handles what came, but at most `most_at_once` messages; the rest waits for feed({}).
  void feed(std::string_view bytes);
  static constexpr std::size_t most_at_once = 64;
  // There may be more to handle: feed({}) again, and nothing new before that.
  bool unread() const noexcept { return unread_ && !closing_; }
  void advance(const ledger_step& step, text_cache& cache);
  void on_upstream(const upstream_event& e);
  void ping();
  // The server ends.
  void go_away() { close(1001, "the server ends"); }

  // The next frame to send; empty when there is none.
  std::string next_frame();
  // Bytes that wait to be sent.
  std::size_t queued() const noexcept { return queued_ + (pong_ ? pong_->size() : 0); }
  // Nothing more will be sent once the queue is empty.
  bool closing() const noexcept { return closing_; }
  std::uint64_t id() const noexcept { return id_; }

 private:
  void on_message(std::string_view text);
  std::string on_call(const json::object& request, std::string_view text);
  std::string subscribe(const call& c, std::string_view method, const std::string& id, std::string_view text);
  std::string unsubscribe(const call& c, const std::string& id, std::string_view text);
  std::string forward(const std::string& id, std::string_view text);
  void notify(std::uint64_t subscription_id, const subscription& s, std::string_view result);
  void queue(net::websocket_message::kind type, std::string_view data);
  void close(std::uint16_t code, std::string_view reason);

  const rpc_service::impl& at_;
  std::uint64_t id_;
  ws_limits limits_;
  net::websocket_reader in_;
  std::map<std::uint64_t, subscription> subscriptions_;
  std::deque<std::string> frames_;
  std::optional<std::string> pong_;       // of the latest ping; the earlier ones need none (RFC 6455, 5.5.3)
  std::optional<std::uint64_t> created_;  // by the message that is handled
  std::size_t queued_ = 0, forwarded_ = 0;
  std::uint64_t next_subscription_;
  bool closing_ = false, unread_ = false, pinging_ = false;
};

}  // namespace osvm::ledger
