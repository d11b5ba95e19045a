// What the JSON-RPC server gives on the host and inside a VM.
#pragma once

#include "bench.hpp"

namespace osvm::cli::bench {

struct rpc_options {
  std::string folder;                     // the ledger
  std::chrono::milliseconds each{2'000};  // of a run of requests
  unsigned connections = 2, depth = 16;   // requests on their way: connections * depth
};

result<void> measure_rpc(environment& env, report& out, const rpc_options& options);

}  // namespace osvm::cli::bench
