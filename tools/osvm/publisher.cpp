#include "publisher.hpp"

namespace osvm::cli {

result<publisher> publisher::open(executor ex, const std::vector<publication>& wanted) {
  publisher out;
  for (const auto& w : wanted) {
    OSVM_TRY(auto front, hotswap::proxy::listen(ex, {.listen = w.host, .mode = hotswap::proxy_mode::l4}));
    out.entries_.push_back({w, std::make_shared<hotswap::proxy>(std::move(front))});
  }
  return out;
}

void publisher::attach(unikernel::instance& guest) {
  for (const auto& e : entries_) {
    // Weak: a guest that never listens must not keep the proxy alive beyond its owner.
    guest.async_listening(e.wanted.guest, [front = std::weak_ptr(e.front)](result<endpoint> where) {
      const auto proxy = front.lock();
      if (proxy && where) (void)proxy->shift({.version = "guest", .where = *where});
    });
  }
}

std::vector<std::string> publisher::describe() const {
  std::vector<std::string> out;
  for (const auto& e : entries_) {
    const char* kind = e.wanted.guest.kind == unikernel::transport::vsock ? " (vsock)" : "";
    out.push_back(to_string(e.front->local_endpoint()) + " -> guest:" + std::to_string(e.wanted.guest.port) +
                  kind);
  }
  return out;
}

}  // namespace osvm::cli
