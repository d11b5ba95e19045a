// A load client that notices: open loop, fixed rate, latency counted from the moment a request was due, and
// every answer checked for completeness, for being the answer to this request, and for its release. Over
// HTTP/1.1 or HTTP/2, in clear text or TLS; WebSocket and server-sent events as sessions.
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/error.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace osvm::hotswap {

enum class load_kind : std::uint8_t {
  plain,      // a request and its answer
  events,     // text/event-stream: answered when `messages` events have come; then it is left
  websocket,  // a session: opened, `messages` messages answered one after the other, closed (HTTP/1.1 only)
};

// One kind of request, and what answers it. In all texts every "{nonce}" becomes the request's nonce, 16 hex
// digits, so that no answer to another request passes for the right one; "{n}" the number of the event or
// message, from 1; "{size}" the length of what is sent.
struct load_request {
  load_kind kind = load_kind::plain;
  std::string method = "GET", path = "/";
  std::string content_type{};  // of the body
  // Of the request; of each WebSocket message (empty: "{nonce} {n}").
  std::string body{};
  // The body of a right answer, byte for byte; each event's data; the answer to each WebSocket message.
  // Empty: not checked; WebSocket: what was sent.
  std::string expected{};
  std::uint64_t upload = 0;  // not 0: a body of so many bytes instead, the nonce again and again
  unsigned messages = 1;     // events or WebSocket messages of a session
};

enum class load_protocol : std::uint8_t { http1, http2 };

struct load_tls {
  std::string name{};         // whom the server's certificate must be for; empty: load_options::host
  std::string authorities{};  // PEM; empty: the host's certificate store
};

struct load_options {
  endpoint target;
  std::string path = "/";                // of a GET, unless there are `requests`
  std::vector<load_request> requests{};  // sent in turn, over all connections
  std::string host = "localhost";
  double rate = 1'000;                            // requests per second, over all connections
  std::chrono::milliseconds duration{1'000};      // of the schedule; stop() ends it earlier
  unsigned connections = 16;                      // at most so many requests are under way at once
  bool keep_alive = true;                         // false: a connection per request, `Connection: close`
  load_protocol protocol = load_protocol::http1;  // in clear text HTTP/2 begins at once
  std::optional<load_tls> tls{};
  unsigned streams = 8;  // HTTP/2: so many of the `connections` are streams of one real connection
  std::chrono::milliseconds timeout{5'000};  // of one request, from the moment it is due
  // Each request carries a fresh nonce in this header; its response must echo it. Empty: not sent, not
  // checked.
  std::string nonce_header = "X-Osvm-Nonce";
  // The response header that names the release. Empty: versions are not checked.
  std::string version_header = "X-Osvm-Release";
  std::string initial_version;  // routed to at the start; empty: unknown until shift_returned()
  std::size_t max_head = 16 * 1024;
  std::uint64_t max_body = std::uint64_t{16} << 20;
};

// Upper bounds of the latencies below which a share of the answers lies, in nanoseconds (error below 1 %).
struct latency_summary {
  std::uint64_t count = 0;
  std::chrono::nanoseconds min{0}, p50{0}, p90{0}, p99{0}, p999{0}, max{0};
  struct step {
    std::chrono::nanoseconds below{0};  // upper bound
    std::uint64_t count = 0;            // above the step before, up to this one
  };
  std::vector<step> steps{};  // four for each doubling, without those that are empty
};

// scheduled = answered + failed(), always (and at the end inflight is 0).
struct load_report {
  std::uint64_t scheduled = 0;
  std::uint64_t answered = 0;  // complete, 2xx, right nonce, right content, right release

  std::uint64_t connect = 0;  // no connection
  std::uint64_t write = 0;    // the request could not be written
  std::uint64_t read = 0;     // closed, reset or malformed before the response head was complete
  std::uint64_t timeout = 0;
  std::uint64_t status = 0;         // complete, but not 2xx
  std::uint64_t truncated = 0;      // the body ended before its length
  std::uint64_t wrong_nonce = 0;    // the answer to another request, or no nonce in it
  std::uint64_t wrong_content = 0;  // not the body, events or messages that were expected
  std::uint64_t misversioned = 0;   // by an older release than allowed, or by one that was never announced
  std::uint64_t failed() const noexcept {
    return connect + write + read + timeout + status + truncated + wrong_nonce + wrong_content + misversioned;
  }

  std::map<std::string, std::uint64_t> by_version;  // complete answers; at most 64 versions are told apart
  std::uint64_t connections_opened = 0;
  // HTTP/2: asked again on another connection, since the server had said that nothing of it was executed.
  std::uint64_t asked_again = 0;
  std::chrono::nanoseconds took{0};  // schedule only, without waiting for the last answers
  double offered_rate = 0;           // asked for, per second
  double sent_rate = 0;              // requests written per second of the schedule
  bool rate_missed =
      false;                // sent_rate is more than 5 % below offered_rate: the run proves less than it says
  latency_summary latency;  // from due time to the last byte, of answered requests
  latency_summary service;  // from the moment it was sent: what a client sees that waits for its turn
  std::vector<std::string> samples;  // the first failures in words, at most 16, foreign text escaped
};

namespace detail {
class load_state;
}

// One run. Move-only. Member functions are thread-safe, except move and destruction. Destruction ends a run
// that is under way with errc::cancelled.
class load_client final {
  using state_ptr = std::shared_ptr<detail::load_state>;
  using run_handler = boost::asio::any_completion_handler<void(result<load_report>)>;
  static executor executor_of(const state_ptr& state) noexcept;
  static void start_run(const state_ptr& state, run_handler handler);
  struct run_initiation {
    using executor_type = executor;
    state_ptr state;
    executor_type get_executor() const noexcept { return executor_of(state); }
    void operator()(auto&& handler) const { start_run(state, std::forward<decltype(handler)>(handler)); }
  };

 public:
  load_client(executor ex, load_options options);
  load_client(load_client&&) noexcept;
  load_client& operator=(load_client&&) noexcept;
  ~load_client();

  // Runs the schedule once and completes when every request was answered or has failed.
  // Errors: errc::invalid_argument, errc::busy (called twice), errc::bad_certificate (authorities),
  // errc::cancelled.
  template <class Token = boost::asio::deferred_t>
  auto async_run(Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(result<load_report>)>(run_initiation{state_}, token);
  }

  // Call directly before and directly after the shift to `version`. A request that is sent after
  // shift_returned(v) must be answered by v or by one whose shift has started since; on one connection
  // releases never go back. Versions may repeat (v1, v2, v1).
  void shift_starting(std::string version);
  void shift_returned(const std::string& version);

  // Ends the schedule now; what is under way is awaited. Idempotent.
  void stop() noexcept;
  // Counters so far, without latencies.
  load_report progress() const;

  executor get_executor() const noexcept;

 private:
  state_ptr state_;
};

}  // namespace osvm::hotswap
