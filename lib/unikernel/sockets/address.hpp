// Socket addresses as a guest writes and reads them.
#pragma once

#include "unikernel/syscalls/syscall.hpp"

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace osvm::unikernel {

using ip_bytes = std::array<std::uint8_t, 16>;  // IPv4: the first four bytes

// A socket address in the guest's terms. Ports of AF_INET and AF_INET6 fit the 32 bits of AF_VSOCK.
struct guest_address {
  int family = AF_UNSPEC;
  ip_bytes ip{};
  std::uint32_t cid = 0;  // AF_VSOCK; AF_NETLINK: the port id
  std::uint32_t port = 0;
  std::string name;  // AF_UNIX: a path, or NUL and an abstract name; empty: unnamed
  bool operator==(const guest_address&) const = default;
};

inline constexpr std::uint32_t guest_cid = 3, host_cid = 2, any_cid = ~std::uint32_t{0};

constexpr bool is_inet(int family) noexcept {
  return family == AF_INET || family == AF_INET6;
}
// 127.0.0.0/8, ::1, and the first as an IPv6 address; 0.0.0.0 and ::.
bool is_loopback(const guest_address& a) noexcept;
bool is_any(const guest_address& a) noexcept;
// 127.0.0.1 or ::1.
guest_address loopback(int family, std::uint32_t port);
// IPv4 written as IPv6 becomes IPv4; everything else stays.
guest_address plain(guest_address a) noexcept;
// The same address as a socket of `family` sees it (IPv4 in IPv6 form; a wildcard as loopback).
guest_address as_seen_by(int family, guest_address a) noexcept;
// "127.0.0.1:80", "[::1]:80", "unix:/run/x", "unix:@x": for denials.
std::string to_text(const guest_address& a);

// Between the guest's sockaddr bytes and ours. False: too short, or of another family than `family`.
bool parse_address(std::span<const std::byte> bytes, int family, guest_address& out);
// The bytes of sockaddr_in, sockaddr_in6, sockaddr_vm, sockaddr_nl or sockaddr_un.
std::vector<std::byte> encode_address(const guest_address& address);

// Copies a socket address argument in, once. 0, -EFAULT, -EINVAL or -EAFNOSUPPORT.
std::int64_t load_address(call_context& ctx, std::uint64_t va, std::uint64_t size, int family,
                          guest_address& out);
// Writes an address as accept() and getsockname() do: at most *size_va bytes, then the real size to *size_va.
std::int64_t store_address(call_context& ctx, const guest_address& address, std::uint64_t va,
                           std::uint64_t size_va);

}  // namespace osvm::unikernel
