// Solana's subscriptions: JSON-RPC over a WebSocket.
#pragma once

#include <osvm/net/websocket.hpp>
#include <osvm/solana/rpc_error.hpp>

namespace osvm::solana {

struct rpc_socket_options {
  net::websocket_options socket{};
  std::chrono::milliseconds call_timeout{10'000};  // for the answer to a call
  std::size_t max_waiting = 10'000;                // notifications nobody has taken; more end the connection
  std::size_t max_waiting_bytes = 64 << 20;        // of them together; likewise
  std::size_t max_calls = 256;                     // outstanding
  std::size_t max_depth = 64;                      // of what is received
};

struct rpc_notification {
  std::string method;  // "slotNotification"
  std::uint64_t subscription = 0;
  std::string result;  // JSON, as the node wrote it
};

// Move-only handle to an open connection. Thread-safe, with one async_next() at a time. It never reconnects
// by itself: what happened between two connections would be lost without a word, so the caller does it and
// then reads what it missed. Destroying it closes the connection; what is outstanding ends with errc::closed.
class rpc_socket final {
 public:
  rpc_socket() = default;  // no connection: nothing may be called
  rpc_socket(rpc_socket&&) noexcept = default;
  rpc_socket& operator=(rpc_socket&&) noexcept = default;

  template <class Token = boost::asio::deferred_t>
  static auto async_open(executor ex, net::url where, rpc_socket_options options = {}, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(rpc_result<rpc_socket>)>(
        open_initiation{std::move(ex)}, token, std::move(where), std::move(options));
  }
  // A call, such as slotSubscribe; the JSON text of its result. A subscription's number is that text.
  template <class Token = boost::asio::deferred_t>
  auto async_call(std::string method, std::string params = "[]", Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(rpc_result<std::string>)>(
        call_initiation{this}, token, std::move(method), std::move(params));
  }
  // The next notification of any subscription. Once it fails, the connection is over: errors as those of
  // net::websocket::async_read(), and rpc_errc::overrun.
  template <class Token = boost::asio::deferred_t>
  auto async_next(Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(rpc_result<rpc_notification>)>(next_initiation{this},
                                                                                  token);
  }

 private:
  struct impl;
  struct connection;
  using open_handler = boost::asio::any_completion_handler<void(rpc_result<rpc_socket>)>;
  using call_handler = boost::asio::any_completion_handler<void(rpc_result<std::string>)>;
  using next_handler = boost::asio::any_completion_handler<void(rpc_result<rpc_notification>)>;
  static void start_open(executor ex, net::url where, rpc_socket_options options, open_handler handler);
  void start_call(std::string method, std::string params, call_handler handler);
  void start_next(next_handler handler);
  executor own_executor() const noexcept;

  struct open_initiation {
    using executor_type = executor;
    executor ex;
    executor_type get_executor() const noexcept { return ex; }
    void operator()(auto&& handler, net::url where, rpc_socket_options options) const {
      start_open(ex, std::move(where), std::move(options), std::forward<decltype(handler)>(handler));
    }
  };
  struct call_initiation {
    using executor_type = executor;
    rpc_socket* self;
    executor_type get_executor() const noexcept { return self->own_executor(); }
    void operator()(auto&& handler, std::string method, std::string params) const {
      self->start_call(std::move(method), std::move(params), std::forward<decltype(handler)>(handler));
    }
  };
  struct next_initiation {
    using executor_type = executor;
    rpc_socket* self;
    executor_type get_executor() const noexcept { return self->own_executor(); }
    void operator()(auto&& handler) const { self->start_next(std::forward<decltype(handler)>(handler)); }
  };
  std::shared_ptr<impl> impl_;
};

}  // namespace osvm::solana
