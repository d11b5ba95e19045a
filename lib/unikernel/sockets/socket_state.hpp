// What a guest's socket is to the guest, apart from the host's unix socket behind it: its family, its names,
// and the options that it believes it has set.
#pragma once

#include "unikernel/files/descriptor.hpp"
#include "unikernel/syscalls/syscall.hpp"

#include <osvm/vsock/fd_queue.hpp>

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace osvm::unikernel {

class instance_host;

// A socket address in the guest's terms. Ports of AF_INET and AF_INET6 fit the 32 bits of AF_VSOCK.
struct guest_address {
  int family = AF_UNSPEC;
  std::array<std::uint8_t, 16> ip{};  // IPv4: the first four bytes
  std::uint32_t cid = 0;              // AF_VSOCK
  std::uint32_t port = 0;
};

inline constexpr std::uint32_t guest_cid = 3, host_cid = 2, any_cid = ~std::uint32_t{0};

// Between the guest's sockaddr bytes and ours. False: too short, or of another family than `family`.
bool parse_address(std::span<const std::byte> bytes, int family, guest_address& out);
// The bytes of sockaddr_in, sockaddr_in6, sockaddr_vm or sockaddr_un.
std::vector<std::byte> encode_address(const guest_address& address);

enum class socket_phase : std::uint8_t {
  fresh,      // created
  bound,      // has a granted name
  listening,  // accepts
  connected,  // has a peer
};

// Guarded by the description's lock. Destroyed with the last descriptor that names the socket: then its name
// in the host's file system goes, and the host stops to accept for it.
struct socket_state {
  ~socket_state();

  int family = AF_UNIX;
  int type = SOCK_STREAM;
  int protocol = 0;
  socket_phase phase = socket_phase::fresh;
  guest_address local, peer;
  std::map<std::pair<int, int>, std::vector<std::byte>> options;
  std::uint16_t next_peer_port =
      32768;  // of clients of a TCP listener, whose own names mean nothing to the guest

  std::string bound_path;  // a unix socket file that bind() made
  std::uint64_t bound_device = 0, bound_inode = 0;
  instance_host* host = nullptr;  // set while a vsock listener is registered
  std::weak_ptr<void> host_alive;
};

// The state of a socket descriptor, or null (ENOTSOCK; sockets of the embedder's stdio have none).
std::shared_ptr<socket_state> socket_of(const descriptor& d);

// A description for a socket, with its state.
std::shared_ptr<description> describe_socket(std::shared_ptr<socket_state> state, bool nonblocking);

// Copies a socket address argument in, once. 0, -EFAULT, -EINVAL or -EAFNOSUPPORT.
std::int64_t load_address(call_context& ctx, std::uint64_t va, std::uint64_t size, int family,
                          guest_address& out);
// Writes an address as accept() and getsockname() do: at most *size_va bytes, then the real size to *size_va.
std::int64_t store_address(call_context& ctx, const guest_address& address, std::uint64_t va,
                           std::uint64_t size_va);

}  // namespace osvm::unikernel
