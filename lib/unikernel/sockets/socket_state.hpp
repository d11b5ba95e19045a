// What a guest's socket is to the guest, apart from the host's socket behind it: its family, its names, and
// the options that it believes it has set. Behind every socket stands a unix socket of the host, but behind a
// connection that policy grants to the host's network stands a TCP socket.
#pragma once

#include "unikernel/files/descriptor.hpp"
#include "unikernel/sockets/address.hpp"
#include "unikernel/sockets/names.hpp"

#include <osvm/core/unique_fd.hpp>
#include <osvm/vsock/fd_queue.hpp>

#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace osvm::unikernel {

class instance_host;

enum class socket_phase : std::uint8_t {
  fresh,       // created
  bound,       // has a name
  listening,   // accepts
  connecting,  // a connection of the host's network is on its way
  connected,   // has a peer
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

  std::shared_ptr<bound_socket> bound;  // its name inside the instance
  bool inside = false;                  // its peer is the guest itself: descriptors may pass
  bool host_tcp = false;                // the host's descriptor is a TCP socket
  int pending_error = 0;                // SO_ERROR of what has no error on the host (UDP to nobody)
  std::shared_ptr<const void> pair;     // of socketpair(): the same for both ends
  unique_fd answers;                    // AF_NETLINK: where answers are put, to be read from the guest's end

  std::string bound_path;  // a unix socket file that bind() made
  std::uint64_t bound_device = 0, bound_inode = 0;
  instance_host* host = nullptr;  // set while a vsock listener is registered
  std::weak_ptr<void> host_alive;
};

// The state of a socket descriptor, or null (ENOTSOCK; sockets of the embedder's stdio have none).
std::shared_ptr<socket_state> socket_of(const descriptor& d);

// A description for a socket, with its state.
std::shared_ptr<description> describe_socket(std::shared_ptr<socket_state> state, bool nonblocking);

// Gives a socket a path of the host. Mode 0600 comes from fchmod() before bind(), since umask() belongs to
// the whole process; the folder is private in any case. 0 or -errno.
std::int64_t bind_host_path(const descriptor& d, socket_state& s, const std::string& path, unsigned mode);

// The host's socket for a new one of the guest. 0 or -errno.
std::int64_t make_host_socket(socket_state& state, unique_fd& host);

// How many connections wait for a listener: TCP keeps clients waiting whose server is slow to accept, but a
// unix socket with a full queue turns them away.
int queue_of(const socket_state& s, int backlog) noexcept;

// A socket argument with its state locked.
struct socket_arg {
  explicit socket_arg(const call_context& ctx);
  std::shared_ptr<descriptor> d;
  std::shared_ptr<socket_state> state;  // null: `error`
  std::unique_lock<std::mutex> lock;
  std::int64_t error = -EBADF;
};

// Puts another host descriptor behind a socket, in all its duplicates and in every epoll set that watches
// one. 0 or -errno. The description's lock need not be held.
std::int64_t replace_host(call_context& ctx, const std::shared_ptr<description>& what,
                          const unique_fd& fresh);

}  // namespace osvm::unikernel
