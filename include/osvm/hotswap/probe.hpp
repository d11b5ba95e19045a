// Is a service ready? Asked by connecting, or by an HTTP request.
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/error.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

namespace osvm::hotswap {

enum class probe_kind : std::uint8_t {
  tcp,         // a connection can be made (hybrid: and the handshake succeeds)
  http,        // GET `path` answers with `status`, and with `body` somewhere in its body
  rpc_health,  // JSON-RPC getHealth, by POST to `path`, answers with status 200 and the result "ok"
  custom,      // `ask` says
  none,        // it counts as healthy at once
};

// One attempt of a probe of one's own. Completes when it is known, once; when `stop` is requested the answer
// is no longer wanted. An error's text is the reason.
using probe_function = std::function<void(const endpoint& where, std::stop_token stop,
                                          boost::asio::any_completion_handler<void(result<void>)> handler)>;

struct probe_options {
  probe_kind kind = probe_kind::http;
  std::string path = "/";
  std::string host = "localhost";              // Host header
  unsigned status = 200;                       // 0: any of 200..399
  std::string body;                            // empty: not looked at; else among the first 64 KiB
  std::chrono::milliseconds interval{10};      // from the end of an attempt to the start of the next
  std::chrono::milliseconds timeout{1'000};    // of one attempt
  std::chrono::milliseconds deadline{10'000};  // of the probe as a whole
  unsigned successes = 1;                      // in a row
  probe_function ask{};                        // custom only; called on the probe's executor
};

struct probe_report {
  unsigned attempts = 0;
  std::string last_failure;  // of the last attempt that failed; empty when all succeeded
  std::chrono::nanoseconds took{0};
};

// Completes on `ex`. Errors: hotswap::errc::probe_failed (the deadline passed; the context says how the last
// attempt ended), errc::cancelled (`stop` was asked for), hotswap::errc::bad_endpoint,
// errc::invalid_argument.
void async_probe_erased(executor ex, endpoint where, probe_options options, std::stop_token stop,
                        boost::asio::any_completion_handler<void(result<probe_report>)> handler);

namespace detail {
struct probe_initiation {
  using executor_type = executor;
  executor ex;
  executor_type get_executor() const noexcept { return ex; }
  void operator()(auto&& handler, endpoint where, probe_options options, std::stop_token stop) const {
    async_probe_erased(ex, std::move(where), std::move(options), std::move(stop),
                       std::forward<decltype(handler)>(handler));
  }
};
}  // namespace detail

template <class Token = boost::asio::deferred_t>
auto async_probe(executor ex, endpoint where, probe_options options, std::stop_token stop = {},
                 Token&& token = {}) {
  return boost::asio::async_initiate<Token, void(result<probe_report>)>(
      detail::probe_initiation{std::move(ex)}, token, std::move(where), std::move(options), std::move(stop));
}

}  // namespace osvm::hotswap
