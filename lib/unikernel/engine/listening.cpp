// Where the guest listens: granted ports become host sockets.
#include "unikernel/engine/in_process.hpp"
#include "unikernel/engine/socket_names.hpp"
#include "unikernel/policy/recorder.hpp"

#include <osvm/vsock/fd_queue.hpp>

#include <algorithm>

namespace osvm::unikernel {

std::string in_process_engine::tcp_socket_path(std::uint16_t port) const {
  const auto& granted = options_.policy.listen;
  if (state_->rules.policy_listen && !state_->everything_allowed &&
      std::find(granted.begin(), granted.end(), unikernel::listener{transport::tcp, port}) == granted.end()) {
    return {};
  }
  return tcp_socket_name(options_.socket_dir, options_.name, id_, port);
}

std::string in_process_engine::vsock_path() const {
  return vsock_socket_name(options_.socket_dir, options_.name);
}

void in_process_engine::listening(const unikernel::listener& which) {
  if (state_->recorder) state_->recorder->listens(which);
  listeners_.ready(which, listening_endpoint(which, options_.socket_dir, options_.name, id_));
}

std::int64_t in_process_engine::listen_vsock(std::uint32_t port, std::shared_ptr<vsock::fd_queue> queue) {
  if (!hybrid_) return -EACCES;
  if (auto ok = hybrid_->register_port(port, vsock::queue_sink(std::move(queue))); !ok) return -EADDRINUSE;
  return 0;
}

void in_process_engine::unlisten_vsock(std::uint32_t port) {
  if (hybrid_) (void)hybrid_->unregister_port(port);
}

}  // namespace osvm::unikernel
