// Bytes and messages over a guest's sockets, with what may travel beside them: addresses, and descriptors
// between the guest's own sockets.
#pragma once

#include "unikernel/files/transfer.hpp"
#include "unikernel/sockets/rights.hpp"
#include "unikernel/sockets/socket_state.hpp"

#include <optional>
#include <span>

namespace osvm::unikernel {

struct socket_message {
  std::span<const guest_range> ranges;
  int flags = 0;  // the guest's MSG_*
  // Sending.
  std::optional<guest_address> to;
  descriptor_parcels::content rights;
  // Receiving: what came along.
  bool takes_rights = false;          // else they are dropped, and MSG_CTRUNC says so
  std::optional<guest_address> from;  // of a datagram
  descriptor_parcels::content received;
  int result_flags = 0;  // MSG_TRUNC, MSG_CTRUNC, MSG_EOR
};

// The number of bytes, or -errno. They block as the guest's descriptor and `flags` say.
std::int64_t send_message(call_context& ctx, descriptor& d, socket_message& m);
std::int64_t receive_message(call_context& ctx, descriptor& d, socket_message& m);

// What a call has moved over `d`, for the instance's counters: nothing if it is no connection, or one between
// unix sockets of the guest.
void count_received(call_context& ctx, const descriptor& d, std::int64_t bytes) noexcept;
void count_sent(call_context& ctx, const descriptor& d, std::int64_t bytes) noexcept;

// Gives a UDP socket a port when it has none. 0 or -errno. The state's lock is held by the caller.
std::int64_t bind_datagram(call_context& ctx, int host, socket_state& s);

}  // namespace osvm::unikernel
