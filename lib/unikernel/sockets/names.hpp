// The names of an instance's sockets: TCP and UDP ports of its loopback, abstract names, and paths that lie
// below no mount. None of them is a name on the host: a socket is bound in the instance's private folder,
// opened with O_PATH, and its file is unlinked at once; others of the instance reach it through that
// descriptor (connect() follows /proc/self/fd/N to the inode). So two guests never meet here, and neither
// does a guest meet a socket of the host.
//
// What the kernel reports as a peer's address is the text that it was bound with. For ports that text holds
// the guest's address, so that accept() needs no bookkeeping of ours.
#pragma once

#include "unikernel/sockets/address.hpp"

#include <osvm/core/unique_fd.hpp>

#include <sys/un.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace osvm::unikernel {

// A socket that has a name. Lives as long as the guest's socket; immutable once entered.
struct bound_socket {
  unique_fd place;  // O_PATH on the socket's inode
  guest_address address;
  int type = 0;
  bool v6_only = false;
  bool outside = false;      // also has a name on the host, so that its peers may be the host's
  bool below_mount = false;  // its path is a file below a mount: found by inode, since files can be renamed
  std::uint64_t device = 0, inode = 0;
};

// How the host reaches a bound socket: valid while the socket lives.
struct place_address {
  explicit place_address(const bound_socket& to);
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address); }
  sockaddr_un address{};
  socklen_t size = 0;
};

// Thread-safe.
class socket_names final {
 public:
  socket_names();
  // Where sockets are bound for a moment; empty: in a folder made for that moment. Before the guest runs.
  void set_folder(std::string folder) { folder_ = std::move(folder); }

  // Binds `host` without a name of the host, and enters it under `as.address`; port 0 of AF_INET and AF_INET6
  // and the unnamed AF_UNIX address become a free one. 0 or -errno.
  std::int64_t bind(int host, bound_socket as, std::shared_ptr<bound_socket>& out);
  // Enters a socket that was bound to a path of the host; its place is opened here.
  std::int64_t enter(const std::string& host_path, bound_socket as, std::shared_ptr<bound_socket>& out);
  // Gives a client's end the name that its peer will see. 0 or -errno.
  std::int64_t name_client(int host, guest_address& local);

  // The socket that `to` reaches; null: nobody. `known`: the AF_UNIX path exists, but its socket has gone.
  std::shared_ptr<bound_socket> find(int type, const guest_address& to, bool* known = nullptr);
  // Whether a port of TCP has a name on the host already.
  bool published(std::uint32_t port);
  // The one whose file this is, below a mount.
  std::shared_ptr<bound_socket> find_inode(std::uint64_t device, std::uint64_t inode);
  bool has_path(std::string_view path);
  bool remove_path(std::string_view path);
  // Whose address the host reports; unnamed when it is none of this instance's.
  guest_address whose(const sockaddr_un& host, socklen_t size, int family);

 private:
  using port_key = std::pair<int, std::uint32_t>;
  bool taken(const bound_socket& as) const;
  bool choose_port(bound_socket& as);
  std::int64_t choose_name(bound_socket& as);
  std::int64_t bind_hidden(int host, const std::string& name, bound_socket* opened);
  std::string name_for(const guest_address& address);
  std::int64_t insert(bound_socket as, std::shared_ptr<bound_socket>& out);
  void forget_dead();

  mutable std::mutex lock_;  // guards everything below
  std::string folder_;
  unique_fd folder_fd_;
  std::uint32_t id_ = 0;  // random, in the names
  std::uint64_t next_ = 0;
  std::uint16_t next_port_ = 32768;
  std::uint32_t next_abstract_ = 1;
  std::multimap<port_key, std::weak_ptr<bound_socket>> ports_;
  std::map<std::string, std::weak_ptr<bound_socket>, std::less<>> unix_;  // paths stay until they are removed
  std::map<std::uint64_t, std::weak_ptr<bound_socket>> numbers_;          // of AF_UNIX sockets, in host names
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::weak_ptr<bound_socket>> inodes_;
};

}  // namespace osvm::unikernel
