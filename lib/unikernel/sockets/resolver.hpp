// Answers that come from the VMM instead of a peer, and where an AF_UNIX name leads.
#pragma once

#include "unikernel/sockets/socket_state.hpp"
#include "unikernel/syscalls/syscall.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace osvm::unikernel {

// A DNS question of the guest; the answer is queued on the socket that asked. Malformed ones get none.
void resolve_query(call_context& ctx, socket_state& asking, std::span<const std::byte> query);
// A request on an AF_NETLINK socket: its size, or -errno.
std::int64_t answer_netlink(call_context& ctx, socket_state& asking, std::span<const std::byte> request);

// Makes a path canonical and finds the guest's socket behind it. `known`: the name exists, its socket does
// not. 0 or -errno; `out` stays null when none of the instance's sockets has that name.
std::int64_t resolve_unix_name(call_context& ctx, guest_address& name, std::shared_ptr<bound_socket>& out,
                               bool& known);

}  // namespace osvm::unikernel
