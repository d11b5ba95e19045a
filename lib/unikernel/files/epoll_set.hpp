// What a guest's epoll descriptor watches, as far as it must be remembered: sockets, whose host descriptor
// may be replaced when they connect or listen.
#pragma once

#include "unikernel/files/descriptor.hpp"

#include <sys/epoll.h>

#include <map>
#include <memory>
#include <span>
#include <utility>

namespace osvm::unikernel {

// Kept in description::extra, guarded by description::lock.
struct epoll_set {
  std::map<const descriptor*, std::pair<std::weak_ptr<descriptor>, epoll_event>> sockets;
};

// Records a successful epoll_ctl on a socket.
void note_watch(descriptor& set, const std::shared_ptr<descriptor>& watched, int operation,
                const epoll_event& event);
// Watches those of `changed` again that `set` watched before their host file was replaced.
void renew_watches(descriptor& set, std::span<const std::shared_ptr<descriptor>> changed);

}  // namespace osvm::unikernel
