// What the JSON-RPC server gives on the host and inside a VM.
#pragma once

#include <osvm/vsock/endpoint.hpp>

#include <memory>
#include <optional>

#include "bench.hpp"

namespace osvm::cli::bench {

struct rpc_options {
  std::string folder;                     // the ledger
  std::chrono::milliseconds each{2'000};  // of a run of requests
  unsigned connections = 2, depth = 16;   // requests on their way: connections * depth
};

result<void> measure_rpc(environment& env, report& out, const rpc_options& options);
// rpc.slot_regressions: a VM that does not advance leaves, and no client sees its slot go back.
result<void> measure_rpc_pool(environment& env, report& out, const rpc_options& options);

// Asks one server for its last finalized slot, on one kept connection. Blocking; not thread-safe.
class slot_client {
 public:
  explicit slot_client(endpoint where);
  ~slot_client();
  std::optional<std::uint64_t> last_slot();  // nothing: no answer

 private:
  endpoint where_;
  struct connection;
  std::unique_ptr<connection> connection_;
};

}  // namespace osvm::cli::bench
