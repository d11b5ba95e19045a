// The proxy's counters: one set per shard, written by that shard only, read by anybody.
#pragma once

#include <osvm/hotswap/stats.hpp>

#include <atomic>
#include <cstdint>

namespace osvm::hotswap::detail {

// Single writer: a plain load and store, no locked instruction.
class counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.store(get() + n, std::memory_order_relaxed); }
  void sub() noexcept { value_.store(get() - 1, std::memory_order_relaxed); }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct alignas(64) counters {
  counter accepted, active, refused, requests, answered, bad_requests, client_timeouts, no_release,
      connect_failed, upstream_closed, upstream_invalid, upstream_timeouts, truncated, client_aborted, cut,
      limited, unrouted, retried, upgraded, bytes_to_release, bytes_to_client, tls_handshakes, tls_resumed,
      tls_failed;

  void add_to(proxy_stats& s) const noexcept {
    s.accepted += accepted.get();
    s.active += active.get();
    s.refused += refused.get();
    s.requests += requests.get();
    s.answered += answered.get();
    s.bad_requests += bad_requests.get();
    s.client_timeouts += client_timeouts.get();
    s.no_release += no_release.get();
    s.connect_failed += connect_failed.get();
    s.upstream_closed += upstream_closed.get();
    s.upstream_invalid += upstream_invalid.get();
    s.upstream_timeouts += upstream_timeouts.get();
    s.truncated += truncated.get();
    s.client_aborted += client_aborted.get();
    s.cut += cut.get();
    s.limited += limited.get();
    s.unrouted += unrouted.get();
    s.retried += retried.get();
    s.upgraded += upgraded.get();
    s.bytes_to_release += bytes_to_release.get();
    s.bytes_to_client += bytes_to_client.get();
    s.tls_handshakes += tls_handshakes.get();
    s.tls_resumed += tls_resumed.get();
    s.tls_failed += tls_failed.get();
  }
};

}  // namespace osvm::hotswap::detail
