// A WebSocket client over TCP, TLS or a unix socket.
#pragma once

#include <osvm/net/dial.hpp>
#include <osvm/net/http_client.hpp>
#include <osvm/net/url.hpp>
#include <osvm/net/websocket_frames.hpp>

namespace osvm::net {

struct websocket_options {
  dial_options dial{};
  std::vector<http_field> fields{};              // of the opening request
  std::chrono::milliseconds timeout{10'000};     // for connecting and the opening handshake
  std::size_t max_message = 16 << 20;            // received; errc::too_large above
  std::size_t max_queued = 16 << 20;             // bytes that wait to be sent; errc::too_slow above
  std::chrono::milliseconds ping_every{20'000};  // 0: never. A peer that is silent for two of these is lost
  std::string user_agent = "osvm";
};

// A handle to an open connection; copies share it. Thread-safe, with at most one async_read() at a time. When
// the last copy goes, the connection is closed without a word; async_close() says goodbye.
class websocket final {
 public:
  websocket() = default;  // no connection: nothing may be called
  template <class Token = boost::asio::deferred_t>
  static auto async_open(executor ex, url where, websocket_options options = {}, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<websocket>)>(open_initiation{std::move(ex)}, token,
                                                                       std::move(where), std::move(options));
  }
  // The next text or binary message; pings are answered meanwhile. errc::closed_by_peer ("code reason"),
  // errc::protocol, errc::too_large, errc::connection_lost, errc::timed_out when the peer is silent,
  // errc::cancelled. After an error the connection is over; cancelling (terminal) ends it too.
  template <class Token = boost::asio::deferred_t>
  auto async_read(Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<websocket_message>)>(read_initiation{this}, token);
  }
  // Queues a text message; it goes out in order. errc::too_slow, errc::closed.
  result<> send(std::string text);
  // Says goodbye and closes; what was queued before is sent, for as long as `timeout` lasts.
  void close(std::uint16_t code = 1000, std::string reason = {},
             std::chrono::milliseconds timeout = std::chrono::milliseconds(1000));

 private:
  struct impl;
  using open_handler = boost::asio::any_completion_handler<void(result<websocket>)>;
  using read_handler = boost::asio::any_completion_handler<void(result<websocket_message>)>;
  explicit websocket(std::shared_ptr<impl> i) noexcept : impl_(std::move(i)) {}
  static void start_open(executor ex, url where, websocket_options options, open_handler handler);
  void start_read(read_handler handler);
  executor own_executor() const noexcept;

  struct open_initiation {
    using executor_type = executor;
    executor ex;
    executor_type get_executor() const noexcept { return ex; }
    void operator()(auto&& handler, url where, websocket_options options) const {
      start_open(ex, std::move(where), std::move(options), std::forward<decltype(handler)>(handler));
    }
  };
  struct read_initiation {
    using executor_type = executor;
    websocket* self;
    executor_type get_executor() const noexcept { return self->own_executor(); }
    void operator()(auto&& handler) const { self->start_read(std::forward<decltype(handler)>(handler)); }
  };
  std::shared_ptr<impl> impl_;
};

}  // namespace osvm::net
