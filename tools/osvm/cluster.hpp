// Which Solana node a command asks and which key it signs with: from the command line, else our
// configuration, else the Solana CLI's own (read only). A command that needs neither never asks for them.
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/ledger/rpc_upstream.hpp>
#include <osvm/solana/ed25519.hpp>
#include <osvm/solana/rpc_client.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <boost/json/value.hpp>

#include "context.hpp"
#include "guest_upstream.hpp"

namespace osvm::cli {

struct rpc_place {
  net::url where;
  net::dial_function dial{};  // for what TCP and unix sockets do not reach
  hybrid_endpoint port{};     // where that is a port of a VM: it
};
// A URL, "unix:PATH", "vsock://INSTANCE:PORT" (a running VM by its name, or by the path of its hybrid
// socket), or m, t, d, l (mainnet-beta, testnet, devnet, localhost). errc::invalid_argument otherwise,
// errc::not_found where no instance has the name.
result<rpc_place> parse_rpc_place(std::string_view text);

// The options of commands that ask a node.
struct cluster_options {
  std::string url, authorities;
  void declare(option_set& o);
  // True when a node is named on the command line or in our configuration.
  bool named(const context& ctx) const;
};
// The node to ask: errc::invalid_argument says how to name one.
result<rpc_place> find_cluster(const context& ctx, const cluster_options& options);
// Who answers what a ledger cannot: --upstream of `rpc local`.
struct upstream_options {
  std::string url, socket_url, authorities;
  void declare(option_set& o);
  bool wanted() const noexcept { return !url.empty(); }
};
// The upstream for a server in this process.
result<std::shared_ptr<ledger::rpc_upstream>> open_upstream(executor ex, const upstream_options& options);
// The same for a server in a VM.
result<guest_upstream> upstream_for_guest(const upstream_options& options);

// The path of the key file, likewise; `option` is what --keypair says.
result<std::string> find_keypair(const context& ctx, const std::string& option);

// A node, asked one thing at a time. Used by one thread.
class rpc_source final {
 public:
  static result<std::unique_ptr<rpc_source>> open(const context& ctx, const cluster_options& options);
  // The JSON text of the result. A node's own error is rpc_errc::answered with its words.
  result<std::string> call(const std::string& method, const std::string& params);
  // The same, parsed.
  result<boost::json::value> ask(const std::string& method, const std::string& params);
  std::string name() const { return client_->where().origin(); }

 private:
  rpc_source() = default;
  runtime loop_;
  std::unique_ptr<solana::rpc_client> client_;
};

}  // namespace osvm::cli
