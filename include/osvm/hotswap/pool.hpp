// How requests are spread over the backends of a release, and when one of them gets none.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace osvm::hotswap {

enum class balance_policy : std::uint8_t {
  least_connections,  // the one with the fewest in flight, by weight
  random_two,         // the better of two drawn at random: as good where many proxies share the backends
  consistent_hash,    // the same key goes to the same backend while that one is usable
};

enum class hash_key : std::uint8_t {
  client,  // address of the client
  path,    // request target
  header,  // value of the header pool_options::hash_header
};

// A backend that fails is left out for a while, unless it is the last one that is usable.
struct ejection_options {
  unsigned failures = 3;  // in a row: no or no whole answer, or status 502 to 504. A refused connection: one
  std::chrono::milliseconds time{1'000};  // doubled with each ejection in a row
  std::chrono::milliseconds max_time{30'000};
};

enum class proxy_protocol : std::uint8_t { none, v1, v2 };

struct pool_options {
  std::string name = "default";
  balance_policy balance = balance_policy::least_connections;
  hash_key key = hash_key::client;
  std::string hash_header{};
  ejection_options ejection{};
  // Attempts of one request beside the first, on other backends, where nothing can have been executed or
  // executing twice is the same as once. All of them together stay below a share of the requests.
  unsigned retries = 2;
  double retry_budget = 0.2;
  // Header by which the backend learns who the client is. Such connections serve one client only.
  proxy_protocol send_proxy = proxy_protocol::none;
};

// What one backend does now.
struct backend_status {
  std::string where;
  std::uint64_t inflight = 0, requests = 0, failures = 0, ejections = 0;
  unsigned weight = 100;
  bool ejected = false, down = false, behind = false;
};

}  // namespace osvm::hotswap
