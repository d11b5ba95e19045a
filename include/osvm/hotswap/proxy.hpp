// A reverse proxy in front of one release at a time, which can be replaced without losing a request.
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/error.hpp>
#include <osvm/hotswap/pool.hpp>
#include <osvm/hotswap/stats.hpp>
#include <osvm/hotswap/tls.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace osvm::hotswap {

namespace detail {
class proxy_state;
}

enum class proxy_mode : std::uint8_t {
  l4,  // bytes of a connection; a connection stays with its release until it ends
  l7,  // HTTP/1.1 and HTTP/2 requests; every request goes to the release that is active when it arrives
};

// Bounds on what a client or a release may make the proxy hold (L7).
struct http_limits {
  std::size_t max_head = 32 * 1024;   // request or response line and header fields, bytes (at most 1 MiB)
  unsigned max_fields = 128;          // header fields in a head, and in a chunked body's trailer
  std::size_t max_target = 8 * 1024;  // request target, bytes
  std::uint64_t max_body = 0;         // request body, bytes; 0: no limit (bodies are streamed)
};

// Zero switches that one timeout off.
struct proxy_timeouts {
  std::chrono::milliseconds head{10'000};      // client: first byte of a request until its head is complete
  std::chrono::milliseconds idle{60'000};      // client: between requests (L7)
  std::chrono::milliseconds tunnel{600'000};   // no byte either way: L4, and L7 after an upgrade
  std::chrono::milliseconds stall{30'000};     // either side: no progress in the middle of a body
  std::chrono::milliseconds connect{3'000};    // release: connect, and hybrid handshake
  std::chrono::milliseconds response{60'000};  // release: request sent until the response head
  std::chrono::milliseconds upstream_idle{30'000};  // release: unused kept-alive connection
};

// Which fields say who the client is (L7): X-Forwarded-For, -Proto, -Host and Forwarded.
enum class forwarded_mode : std::uint8_t {
  off,      // the client's own fields are passed on as they are
  append,   // to what the client sends: for a proxy behind proxies that it trusts
  replace,  // what the client sends is dropped
};

struct proxy_options {
  endpoint listen = tcp_endpoint{};  // tcp (port 0: any free one) or unix
  proxy_mode mode = proxy_mode::l7;
  // Independent parts that the connections are spread over; each runs on one thread at a time. Part i uses
  // executor i modulo their number. 0: one per executor. Give as many as there are threads behind them.
  unsigned shards = 0;
  int backlog = 1024;
  unsigned unix_mode = 0600;          // permissions of a unix listener's socket
  unsigned max_connections = 16'000;  // client connections, over all shards
  unsigned max_idle_upstream = 64;    // kept-alive connections to the release, per shard
  std::size_t buffer = 32 * 1024;     // per direction, at most 64 KiB; held only while bytes are in it
  http_limits limits;
  proxy_timeouts timeouts;
  forwarded_mode forwarded = forwarded_mode::off;
  // Each connection begins with a PROXY header (version 1 or 2) that says who the client is; one without is
  // closed. Only for listeners that nobody but such a proxy can reach.
  bool accept_proxy = false;
  std::optional<tls_termination> tls{};  // clients speak TLS
  // A client without TLS may begin with HTTP/2 at once ("prior knowledge"; L7). With TLS, ALPN decides.
  bool http2_clear_text = false;
  // Takes whole lines of JSON, one for each request that has ended (L4: connection), several at once, on any
  // of the executors' threads, at the latest after a second. Must not block for long. Empty: no log.
  std::function<void(std::string_view lines)> access_log{};
};

// A release that can be routed to.
struct release_target {
  std::string version;  // for people, reports and metrics; need not be unique
  endpoint where;
  std::vector<endpoint> also{};  // more of them: at most 255
};

// Listens from listen() until close() or destruction. Move-only. Member functions are thread-safe, except
// move and destruction; destruction may happen inside a handler of the same executor. The executors' context
// must outlive the proxy; connections are closed on it shortly after close() or destruction.
class proxy final {
  using state_ptr = std::shared_ptr<detail::proxy_state>;
  using drain_handler = boost::asio::any_completion_handler<void(result<drain_report>)>;
  static executor executor_of(const state_ptr& state) noexcept;
  static void start_drain(const state_ptr& state, std::uint64_t generation, std::chrono::nanoseconds deadline,
                          drain_handler handler);
  struct drain_initiation {
    using executor_type = executor;
    state_ptr state;
    executor_type get_executor() const noexcept { return executor_of(state); }
    void operator()(auto&& handler, std::uint64_t generation, std::chrono::nanoseconds deadline) const {
      start_drain(state, generation, deadline, std::forward<decltype(handler)>(handler));
    }
  };

 public:
  // Binds, listens and accepts. Until the first shift(), L7 answers 503 and L4 closes connections at once.
  // Errors: errc::bad_listener, errc::bad_certificate, errc::invalid_argument, or the errno of socket, bind
  // (EADDRINUSE), listen.
  static result<proxy> listen(std::vector<executor> executors, proxy_options options);
  static result<proxy> listen(executor ex, proxy_options options);

  proxy(proxy&&) noexcept;
  proxy& operator=(proxy&&) noexcept;
  ~proxy();

  // Where it listens, with the real port.
  const endpoint& local_endpoint() const noexcept;

  // Routes to `target` from now on: an atomic change. When it has returned, no request (L4: connection) whose
  // first byte (L4: accept) comes later reaches an earlier target, and no client connection ever goes back to
  // one. What is in flight stays where it is. Returns the new generation, counted from 1.
  // Errors: hotswap::errc::bad_endpoint, errc::closed.
  result<std::uint64_t> shift(release_target target);

  // The generation that is routed to; 0 before the first shift.
  std::uint64_t generation() const noexcept;

  // Completes when nothing is in flight on `generation` any more, at the latest after `deadline`: what is
  // left then is reset and counted. On a generation that is still routed to it waits as well, without ending.
  // Errors: errc::no_such_release; errc::closed.
  template <class Token = boost::asio::deferred_t>
  auto async_drain(std::uint64_t generation, std::chrono::nanoseconds deadline, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<drain_report>)>(drain_initiation{state_}, token,
                                                                          generation, deadline);
  }

  // Other certificates for the connections that begin from now on; session tickets stay good. The proxy
  // listens by TLS already. Errors: errc::bad_certificate, errc::invalid_argument.
  result<void> renew(const tls_termination& tls);

  proxy_stats stats() const;
  // Errors: errc::no_such_release. Drained releases are forgotten after 64 later ones.
  result<release_stats> release(std::uint64_t generation) const;

  // Stops listening and cuts every connection. Idempotent; returns at once.
  void close() noexcept;

  executor get_executor() const noexcept;
  // For the release engine.
  const state_ptr& state() const noexcept { return state_; }

 private:
  explicit proxy(state_ptr state) noexcept;
  state_ptr state_;
};

}  // namespace osvm::hotswap
