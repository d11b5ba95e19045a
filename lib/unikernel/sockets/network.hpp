// What an instance has of a network: its own names, and the grants that lead out.
#pragma once

#include "unikernel/sockets/names.hpp"
#include "unikernel/sockets/outgoing.hpp"
#include "unikernel/sockets/rights.hpp"

#include <osvm/core/unique_fd.hpp>

#include <memory>
#include <mutex>

namespace osvm::unikernel {

struct guest_network {
  socket_names names;
  outgoing_targets outgoing;
  descriptor_parcels parcels;

  // The socket that the resolver's answers come from; made at the first question. Null: the host has no
  // descriptor left.
  std::shared_ptr<bound_socket> resolver(int& host);

 private:
  std::mutex resolver_lock_;
  unique_fd resolver_fd_;
  std::shared_ptr<bound_socket> resolver_;
};

}  // namespace osvm::unikernel
