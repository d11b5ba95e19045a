#include "unikernel/files/epoll_set.hpp"

namespace osvm::unikernel {

void note_watch(descriptor& set, const std::shared_ptr<descriptor>& watched, int operation,
                const epoll_event& event) {
  const std::lock_guard guard(set.what->lock);
  auto& sockets = static_cast<epoll_set*>(set.what->extra.get())->sockets;
  if (operation == EPOLL_CTL_DEL) {
    sockets.erase(watched.get());
    return;
  }
  sockets[watched.get()] = {watched, event};
  // Closed sockets leave the host's set by themselves.
  constexpr std::size_t worth_a_look = 64;
  if (sockets.size() % worth_a_look == 0)
    std::erase_if(sockets, [](const auto& entry) { return entry.second.first.expired(); });
}

void renew_watches(descriptor& set, std::span<const std::shared_ptr<descriptor>> changed) {
  const std::lock_guard guard(set.what->lock);
  auto& sockets = static_cast<epoll_set*>(set.what->extra.get())->sockets;
  for (const auto& d : changed) {
    const auto it = sockets.find(d.get());
    if (it == sockets.end() || it->second.first.lock() != d) continue;
    epoll_event event = it->second.second;
    (void)::epoll_ctl(set.host.get(), EPOLL_CTL_ADD, d->host.get(), &event);
  }
}

}  // namespace osvm::unikernel
