// A running `osvm proxy` hands its listeners to the process that comes after it, over its control socket:
//   successor: {"verb": "hand-over"}
//   running:   {"listeners": ["tcp:…", …]} with that many descriptors, or {"error": …}
//   successor: "done", once it accepts. Without that, the running one goes on.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/hotswap/gateway.hpp>

#include <functional>
#include <string>
#include <vector>

namespace osvm::cli {

inline constexpr std::size_t most_inherited = 64;

// The successor's side.
class take_over final {
 public:
  // Errors: what the running proxy says, errc::busy among others; the errno of the connection.
  static result<take_over> begin(const std::string& control);
  std::vector<hotswap::inherited_listener> listeners() { return std::move(listeners_); }
  // The running one leaves. Errors: errc::closed when it has gone meanwhile.
  result<> done();

 private:
  unique_fd talk_;
  std::vector<hotswap::inherited_listener> listeners_;
};

// The running one's side: true when the successor has said that it accepts.
bool hand_over_to(int client, int stop, hotswap::gateway& from);

}  // namespace osvm::cli
