// A client of Solana's JSON-RPC over HTTP: deadlines, retries where they do no harm, a rate limit, a circuit
// breaker, and errors as the node said them. For subscriptions see rpc_socket.hpp.
#pragma once

#include <osvm/net/http_client.hpp>
#include <osvm/solana/rpc_error.hpp>

namespace osvm::solana {

struct rpc_client_options {
  net::http_client_options http{};
  std::vector<net::http_field> fields{};              // of each request, such as an API key
  std::chrono::milliseconds timeout{30'000};          // of a call, waits and attempts included
  std::chrono::milliseconds attempt_timeout{10'000};  // of one attempt
  unsigned max_attempts = 4;                          // of calls that may be repeated
  std::chrono::milliseconds backoff{200}, max_backoff{5'000};
  double max_rate = 0;  // calls a second; 0: no limit
  unsigned burst = 10;
  unsigned breaker_failures = 8;  // in a row; 0: no breaker
  std::chrono::milliseconds breaker_pause{2'000};
  std::size_t max_answer = 64 << 20;  // bytes
  std::size_t max_depth = 64;         // of the answer's JSON
};

struct rpc_call {
  std::string method;
  std::string params = "[]";  // JSON: an array or an object
  // Whether doing it twice is as good as once. Unset: true for what only reads (get…, is…, simulate…,
  // minimumLedgerSlot), false for the rest: sendTransaction and requestAirdrop are made once.
  std::optional<bool> repeatable{};
  std::optional<std::chrono::milliseconds> timeout{};
};

using rpc_handler = boost::asio::any_completion_handler<void(rpc_result<std::string>)>;

// Thread-safe. Destroying it ends outstanding calls with errc::cancelled.
class rpc_client final {
 public:
  rpc_client(executor ex, net::url where, rpc_client_options options = {});
  ~rpc_client();
  rpc_client(const rpc_client&) = delete;
  rpc_client& operator=(const rpc_client&) = delete;

  // The JSON text of "result", as the node wrote it. Cancellation: terminal.
  template <class Token = boost::asio::deferred_t>
  auto async_call(rpc_call call, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(rpc_result<std::string>)>(initiation{this}, token,
                                                                             std::move(call));
  }
  // Posts a whole JSON-RPC request or batch as it is, once, and gives the body of the answer, whatever it
  // says; for servers that pass requests on.
  template <class Token = boost::asio::deferred_t>
  auto async_forward(std::string body, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(rpc_result<std::string>)>(forward_initiation{this}, token,
                                                                             std::move(body));
  }
  // Waits for a call; not from a thread of the executor.
  rpc_result<std::string> call(rpc_call call);

  const net::url& where() const noexcept;
  net::http_client_stats stats() const;

 private:
  struct impl;
  executor own_executor() const noexcept;
  void start(rpc_call call, rpc_handler handler);
  void start_forward(std::string body, rpc_handler handler);
  struct initiation {
    using executor_type = executor;
    rpc_client* self;
    executor_type get_executor() const noexcept { return self->own_executor(); }
    void operator()(auto&& handler, rpc_call call) const {
      self->start(std::move(call), std::forward<decltype(handler)>(handler));
    }
  };
  struct forward_initiation {
    using executor_type = executor;
    rpc_client* self;
    executor_type get_executor() const noexcept { return self->own_executor(); }
    void operator()(auto&& handler, std::string body) const {
      self->start_forward(std::move(body), std::forward<decltype(handler)>(handler));
    }
  };
  std::shared_ptr<impl> impl_;
};

// Whether a method only reads.
bool is_repeatable(std::string_view method) noexcept;

// A JSON-RPC answer taken apart. `text` is foreign: errc rpc_errc::bad_answer when it is none, the node's
// error when it says one. `id` is the JSON text that the answer must carry.
rpc_result<std::string> read_rpc_answer(std::string_view text, std::string_view id,
                                        std::size_t max_depth = 64);

}  // namespace osvm::solana
