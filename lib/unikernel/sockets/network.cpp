#include "unikernel/sockets/network.hpp"

#include <sys/socket.h>

namespace osvm::unikernel {

std::shared_ptr<bound_socket> guest_network::resolver(int& host) {
  const std::lock_guard guard(resolver_lock_);
  if (!resolver_) {
    unique_fd made(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    bound_socket as;
    as.address = nameserver();
    as.type = SOCK_DGRAM;
    if (!made || names.bind(made.get(), std::move(as), resolver_) < 0) return nullptr;
    resolver_fd_ = std::move(made);
  }
  host = resolver_fd_.get();
  return resolver_;
}

}  // namespace osvm::unikernel
