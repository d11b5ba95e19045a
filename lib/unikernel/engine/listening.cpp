// Where the guest listens, told to the embedder: granted ports become host sockets, and waiting for one of
// them is here.
#include "unikernel/engine/in_process.hpp"
#include "unikernel/policy/recorder.hpp"

#include <osvm/vsock/fd_queue.hpp>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include <algorithm>

namespace osvm::unikernel {

std::string in_process_engine::tcp_socket_path(std::uint16_t port) const {
  const auto& granted = options_.policy.listen;
  if (state_->rules.policy_listen && !state_->everything_allowed &&
      std::find(granted.begin(), granted.end(), unikernel::listener{transport::tcp, port}) == granted.end()) {
    return {};
  }
  return fmt::format("{}/{}-{:08x}-tcp-{}.sock", options_.socket_dir, options_.name, id_, port);
}

std::string in_process_engine::vsock_path() const {
  return fmt::format("{}/{}.vsock", options_.socket_dir, options_.name);
}

void in_process_engine::listening(const unikernel::listener& which) {
  if (state_->recorder) state_->recorder->listens(which);
  std::vector<listening_handler> handlers;
  {
    const std::scoped_lock lock(listening_lock_);
    auto& l = listeners_[{static_cast<int>(which.kind), which.port}];
    l.ready = true;
    handlers.swap(l.handlers);
  }
  listening_changed_.notify_all();
  for (auto& h : handlers) listening_async(which, std::move(h));
}

namespace {

endpoint endpoint_of(const listener& which, const std::string& tcp_path, const std::string& vsock_path) {
  if (which.kind == transport::tcp) return unix_endpoint{tcp_path};
  return hybrid_endpoint{vsock_path, which.port};
}

error not_granted(const listener& which) {
  return {osvm::errc::denied, fmt::format("guest port {} is not granted", which.port)};
}

}  // namespace

void in_process_engine::listening_async(unikernel::listener which, listening_handler handler) {
  std::optional<result<endpoint>> now;
  {
    const std::scoped_lock lock(listening_lock_);
    const auto it = listeners_.find({static_cast<int>(which.kind), which.port});
    if (it == listeners_.end()) {
      now = not_granted(which);
    } else if (listening_over_) {
      now = error(osvm::errc::closed, "the guest has ended");
    } else if (it->second.ready) {
      now = endpoint_of(which, tcp_socket_path(static_cast<std::uint16_t>(which.port)), vsock_path());
    } else {
      it->second.handlers.push_back(std::move(handler));
      return;
    }
  }
  boost::asio::post(executor_,
                    [h = std::move(handler), r = std::move(*now)]() mutable { std::move(h)(std::move(r)); });
}

result<endpoint> in_process_engine::wait_listening(unikernel::listener which,
                                                   std::chrono::nanoseconds timeout) {
  std::unique_lock lock(listening_lock_);
  const auto it = listeners_.find({static_cast<int>(which.kind), which.port});
  if (it == listeners_.end()) return not_granted(which);
  const auto until = std::chrono::steady_clock::now() +
                     std::min<std::chrono::nanoseconds>(timeout, std::chrono::hours(24 * 365));
  if (!listening_changed_.wait_until(lock, until, [&] { return it->second.ready || listening_over_; })) {
    return error(osvm::errc::timed_out, fmt::format("the guest does not listen on port {} yet", which.port));
  }
  if (!it->second.ready) return error(osvm::errc::closed, "the guest ended before it listened");
  return endpoint_of(which, tcp_socket_path(static_cast<std::uint16_t>(which.port)), vsock_path());
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
