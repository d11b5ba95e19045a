// How a client reaches its server: by default TCP or a unix socket, or a caller's own way (a vsock port, a
// tunnel).
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/net/tls.hpp>

#include <boost/asio/any_completion_handler.hpp>

#include <chrono>
#include <functional>
#include <optional>

namespace osvm::net {

using dial_handler = boost::asio::any_completion_handler<void(result<unique_fd>)>;
// Gives a connected stream socket within the time, then calls the handler once.
using dial_function = std::function<void(executor, std::chrono::milliseconds, dial_handler)>;

struct dial_options {
  std::chrono::milliseconds connect_timeout{5'000};  // resolving and connecting, TLS included
  std::optional<tls_client> tls{};                   // none: made with the system's authorities when needed
  dial_function dial{};                              // none: the address of the URL
};

}  // namespace osvm::net
