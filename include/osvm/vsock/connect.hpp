// Connecting to an endpoint of any kind. Every descriptor handed out is connected, non-blocking and
// close-on-exec.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/runtime.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <chrono>
#include <string>

namespace osvm::vsock {

inline constexpr std::chrono::milliseconds default_connect_timeout{2000};

using connect_handler = boost::asio::any_completion_handler<void(result<unique_fd>)>;

void start_connect(executor ex, endpoint where, std::chrono::milliseconds timeout, connect_handler handler);

struct connect_initiation {
  using executor_type = executor;
  executor ex;
  executor_type get_executor() const noexcept { return ex; }
  void operator()(auto&& handler, endpoint where, std::chrono::milliseconds timeout) const {
    start_connect(ex, std::move(where), timeout, std::forward<decltype(handler)>(handler));
  }
};

// Connects within `timeout`; for hybrid endpoints that includes the handshake, and bytes that the guest sent
// behind the "OK" line are still unread. Errors: errno of connect (ECONNREFUSED also when a hybrid listener
// closes without "OK": nobody listens on the port, or its backlog is full), errc::malformed for a wrong
// answer, errc::timed_out, errc::cancelled. Cancellation: terminal. The handler runs on its own executor, by
// default on `ex`.
template <class Token = boost::asio::deferred_t>
auto async_connect_endpoint(executor ex, endpoint where,
                            std::chrono::milliseconds timeout = default_connect_timeout, Token&& token = {}) {
  return boost::asio::async_initiate<Token, void(result<unique_fd>)>(connect_initiation{std::move(ex)}, token,
                                                                     std::move(where), timeout);
}

// The same for one kind, with the default timeout.
template <class Token = boost::asio::deferred_t>
auto async_connect_hybrid(executor ex, hybrid_endpoint where, Token&& token = {}) {
  return async_connect_endpoint(std::move(ex), endpoint(std::move(where)), default_connect_timeout,
                                std::forward<Token>(token));
}

// Blocking forms; no event loop is used.
result<unique_fd> connect_endpoint(const endpoint& where,
                                   std::chrono::milliseconds timeout = default_connect_timeout);
result<unique_fd> connect_hybrid(const hybrid_endpoint& where,
                                 std::chrono::milliseconds timeout = default_connect_timeout);

// One attempt on a unix stream socket of any path length, without waiting: EAGAIN when the listener's queue
// is full.
result<unique_fd> try_connect_unix(const std::string& path);

}  // namespace osvm::vsock
