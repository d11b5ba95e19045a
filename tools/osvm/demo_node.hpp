// The RPC node of `osvm demo`: osvm-rpc over the ledger that comes with osvm, and requests whose answers are
// known, because the library has given them in this process.
#pragma once

#include <osvm/hotswap/load_client.hpp>
#include <osvm/hotswap/release.hpp>

#include <string>
#include <vector>

namespace osvm::cli {

class demo_node final {
 public:
  // Reads the ledger beside this program. errc::not_found: the program or the ledger is not there.
  static result<demo_node> make();

  // A release of the node that is like `base` otherwise and listens on `port`.
  hotswap::release_spec spec(hotswap::release_spec base, std::uint16_t port) const;
  // The same without a ledger: it does not come up. `folder` is an empty folder.
  hotswap::release_spec broken_spec(hotswap::release_spec base, std::uint16_t port,
                                    const std::string& folder) const;
  // JSON-RPC calls by POST, each with the answer that is right, byte for byte.
  const std::vector<hotswap::load_request>& requests() const noexcept { return requests_; }
  // "41 slots, 90 transactions".
  const std::string& contents() const noexcept { return contents_; }

 private:
  demo_node(std::string program, std::string ledger)
      : program_(std::move(program)), ledger_(std::move(ledger)) {}
  result<> prepare();

  std::string program_, ledger_, contents_;
  std::vector<hotswap::load_request> requests_;
};

}  // namespace osvm::cli
