// What a guest may ask of NETLINK_ROUTE: its one interface, lo, and its addresses. That is what getifaddrs()
// and if_nameindex() need; everything else is an error that the answer names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace osvm::unikernel::netlink {

inline constexpr std::size_t max_request = 4096;

// The datagrams that answer `request`, in order: for each message in it an answer and an end, or an error.
// Empty: the request is malformed (as Linux, which then says nothing). `port` is the asking socket's id.
std::vector<std::vector<std::byte>> answer(std::span<const std::byte> request, std::uint32_t port);

}  // namespace osvm::unikernel::netlink
