// Which requests of a listener go to which service, and how many of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace osvm::hotswap {

// A token bucket: `burst` at once, `per_second` in the long run. 0: no limit.
struct rate_limit {
  double per_second = 0;
  double burst = 0;  // 0: as much as a second's worth, at least 1
  bool operator==(const rate_limit&) const = default;
};

// What is over a limit is answered with 429 (L4: closed) and not passed on.
struct route_limits {
  rate_limit rate{};                    // of all clients together
  rate_limit per_client{};              // of one client's address
  unsigned concurrency = 0;             // in flight at once; 0: no limit
  unsigned per_client_concurrency = 0;  // same, of one client's address
  bool operator==(const route_limits&) const = default;
};

// Some methods of a JSON-RPC service.
struct rpc_class {
  std::vector<std::string> methods;  // by name; one that ends in '*' is a prefix; "*" is every method
  std::string service{};             // where they go; empty: to the route's service
  rate_limit rate{};                 // of all clients together
  // May be executed twice, so that what failed may be tried again. Methods that change state must not.
  bool retry = false;
  bool operator==(const rpc_class&) const = default;
};

// Looks into POST bodies. The first class that names a method has it; methods that no class names go to the
// route's service and are not retried. A batch goes where its methods do when they agree, else to the route's
// service; it is retried only when every one of its methods may be, and counts in every class that it names.
struct rpc_rules {
  std::vector<rpc_class> classes;
  std::size_t max_body = 256 * 1024;  // held in memory until the method is known; more is answered with 413
  unsigned max_batch = 100;           // requests in a batch; more is answered with 413
  bool operator==(const rpc_rules&) const = default;
};

// The first route of a listener whose conditions all hold has the request.
struct route_options {
  std::vector<std::string> hosts{};  // lower case, without a port; "*.example.com": its subdomains; none: any
  std::string prefix = "/";          // of the path, in whole segments
  std::string header{};              // a field that must be there, lower case; empty: none
  std::string value{};               // what it must be; empty: anything
  std::string service{};
  route_limits limits{};
  std::optional<rpc_rules> rpc{};
  bool operator==(const route_options&) const = default;
};

}  // namespace osvm::hotswap
