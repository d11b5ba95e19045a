// Solana's JSON-RPC over a ledger: one request body in, one answer out. No sockets: see rpc_server.hpp.
#pragma once

#include <osvm/ledger/account_store.hpp>
#include <osvm/ledger/query.hpp>

#include <memory>
#include <string>

namespace osvm::ledger {

class rpc_upstream;

struct rpc_options {
  std::size_t max_body = 50 << 10;  // as validators have it
  std::size_t max_batch = 1000;
  std::size_t max_depth = 32;                       // of the request's JSON
  std::string version = "osvm-0.1.0";               // what getVersion says as "solana-core"
  solana::pubkey identity{};                        // what getIdentity says: a ledger has no node
  std::shared_ptr<const account_store> accounts{};  // none: the account methods are not there
  std::shared_ptr<rpc_upstream> upstream{};         // who answers what is not served here (rpc_upstream.hpp)
};

// Thread-safe.
class rpc_service final {
 public:
  // `g` is the ledger's genesis, where it has one: without it getGenesisHash, getEpochInfo and
  // getEpochSchedule say so.
  rpc_service(blockstore store, std::optional<genesis> g, rpc_options options = {});
  rpc_service(rpc_service&&) noexcept;
  ~rpc_service();

  // The answer to a request or a batch; empty when only notifications came. Never fails: errors are answers.
  std::string handle(std::string_view body) const;
  // Takes over what a running validator has added.
  result<bool> refresh();
  const blockstore& store() const noexcept;
  const rpc_options& options() const noexcept;

  struct impl;
  const impl& parts() const noexcept { return *impl_; }

 private:
  std::unique_ptr<impl> impl_;
};

}  // namespace osvm::ledger
