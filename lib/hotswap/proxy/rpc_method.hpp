// Which methods does a JSON-RPC request ask for? Reads just that, strictly enough that no other reader of the
// same bytes finds another method: a duplicate or escaped "method" is no request that is looked into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace osvm::hotswap::detail {

enum class rpc_status : std::uint8_t {
  ok,
  malformed,  // no JSON, or no object with exactly one plain "method" (or a list of such)
  too_many,   // a batch with more than `max_batch` requests
};

// The methods in order, as views into `body`; `batch`: it is a list. At most 64 lists and objects inside each
// other.
struct rpc_methods {
  rpc_status status = rpc_status::ok;
  bool batch = false;
  std::vector<std::string_view> names;
};
rpc_methods read_rpc_methods(std::string_view body, unsigned max_batch);

}  // namespace osvm::hotswap::detail
