// Counters of the proxy. Plain values: snapshots, consistent per field but not across fields.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace osvm::hotswap {

// Since the proxy began to listen. A request counts in exactly one of: answered, the failures,
// client_aborted, cut.
struct proxy_stats {
  std::uint64_t accepted = 0;  // client connections
  std::uint64_t active = 0;    // client connections open now
  std::uint64_t refused =
      0;  // client connections closed at once: over max_connections, or L4 without a release
  std::uint64_t requests = 0;  // request heads taken (L7), connections routed (L4)
  std::uint64_t answered =
      0;  // complete responses of a release passed on (L7), connections ended in order (L4)

  // Failures, by class. The status that the client got stands in parentheses.
  std::uint64_t bad_requests = 0;       // malformed or over a limit (400, 413, 414, 431, 501, 505)
  std::uint64_t client_timeouts = 0;    // head or body did not arrive in time (408)
  std::uint64_t no_release = 0;         // nothing to route to (503)
  std::uint64_t connect_failed = 0;     // the release could not be connected to (503)
  std::uint64_t upstream_closed = 0;    // the release closed or reset before a response head (502)
  std::uint64_t upstream_invalid = 0;   // the release's response is not valid HTTP/1.x (502)
  std::uint64_t upstream_timeouts = 0;  // the release did not answer in time (504)
  std::uint64_t truncated = 0;  // a response body ended early after its head was passed on; client cut off

  std::uint64_t limited = 0;   // over a limit of its route (429; L4: closed)
  std::uint64_t unrouted = 0;  // no rule is for it (404; L4: closed)

  std::uint64_t client_aborted = 0;  // the client left before the end of its response; L4: a side was reset
  std::uint64_t cut = 0;             // ended by a drain deadline or by closing the proxy
  std::uint64_t retried = 0;   // sent again on a fresh connection, because nothing can have been executed
  std::uint64_t upgraded = 0;  // 101 Switching Protocols: bytes passed both ways until an end
  std::uint64_t bytes_to_release = 0;
  std::uint64_t bytes_to_client = 0;
  std::uint64_t shifts = 0;

  std::uint64_t tls_handshakes = 0;  // completed
  std::uint64_t tls_resumed = 0;     // of those, by a session ticket
  std::uint64_t tls_failed = 0;      // given up: no common version, cipher or protocol, not TLS, too slow

  std::uint64_t failed() const noexcept {
    return bad_requests + client_timeouts + no_release + connect_failed + upstream_closed + upstream_invalid +
           upstream_timeouts + truncated + limited + unrouted;
  }
};

// What one release has done for the proxy so far.
struct release_stats {
  std::string version;
  std::uint64_t generation = 0;
  std::uint64_t inflight = 0;    // requests (L7) or connections (L4) that it serves now
  std::uint64_t requests = 0;    // routed to it
  std::uint64_t responses = 0;   // complete ones
  std::uint64_t errors_5xx = 0;  // of those, with status 500..599
  std::uint64_t failures = 0;    // no or no complete response (connect, close, timeout, malformed, truncated)
};

// How a drain went.
struct drain_report {
  std::uint64_t inflight = 0;  // requests (L7) or connections (L4) that were in flight when it began
  std::uint64_t cut = 0;       // of those, ended by force at the deadline
  std::chrono::nanoseconds took{0};
};

}  // namespace osvm::hotswap
