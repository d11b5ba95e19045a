#include "unikernel/sockets/socket_state.hpp"

#include "unikernel/files/epoll_set.hpp"
#include "unikernel/syscalls/arguments.hpp"
#include "vsock/unix_address.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace osvm::unikernel {

socket_state::~socket_state() {
  if (!bound_path.empty()) {
    struct stat st;
    // Only what bind() made: somebody may have put another file there.
    if (::lstat(bound_path.c_str(), &st) == 0 && st.st_dev == bound_device && st.st_ino == bound_inode)
      ::unlink(bound_path.c_str());
  }
  if (host && host_alive.lock()) host->unlisten_vsock(local.port);
}

std::shared_ptr<socket_state> socket_of(const descriptor& d) {
  if (d.what->kind != file_kind::socket) return nullptr;
  return std::static_pointer_cast<socket_state>(d.what->extra);
}

std::shared_ptr<description> describe_socket(std::shared_ptr<socket_state> state, bool nonblocking) {
  auto what = std::make_shared<description>();
  what->kind = file_kind::socket;
  what->socket_io = true;
  what->nonblocking = nonblocking;
  what->connected = state->phase == socket_phase::connected;
  what->extra = std::move(state);
  return what;
}

std::int64_t make_host_socket(socket_state& state, unique_fd& host) {
  if (state.family == AF_NETLINK) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
      return no_descriptor();
    host.reset(ends[0]);
    state.answers.reset(ends[1]);
    return 0;
  }
  host.reset(::socket(AF_UNIX, state.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return host ? 0 : no_descriptor();
}

std::int64_t bind_host_path(const descriptor& d, socket_state& s, const std::string& path, unsigned mode) {
  const auto address = vsock::make_unix_address(path);
  if (!address) return -EADDRNOTAVAIL;
  if (::fchmod(d.host.get(), mode) != 0) return -errno;
  if (::bind(d.host.get(), address->get(), address->size) != 0)
    return errno == EADDRINUSE ? -EADDRINUSE : -EACCES;
  struct stat st;
  if (::lstat(path.c_str(), &st) == 0) {
    s.bound_path = path;
    s.bound_device = st.st_dev;
    s.bound_inode = st.st_ino;
  }
  return 0;
}

int queue_of(const socket_state& s, int backlog) noexcept {
  constexpr int least = 1024;
  return is_inet(s.family) ? std::max(backlog, least) : backlog;
}

socket_arg::socket_arg(const call_context& ctx) : d(descriptor_arg(ctx)) {
  if (!d) return;
  state = socket_of(*d);
  if (state) {
    lock = std::unique_lock(d->what->lock);
  } else {
    error = -ENOTSOCK;
  }
}

// dup3() replaces what the host number means at once, so that no other guest thread sees it closed or reused.
// The host's epoll forgets a file with its last descriptor: the new one is entered in its place.
std::int64_t replace_host(call_context& ctx, const std::shared_ptr<description>& what,
                          const unique_fd& fresh) {
  auto& table = ctx.process.descriptors;
  std::vector<std::shared_ptr<descriptor>> mine, sets;
  for (const int number : table.numbers()) {
    auto d = table.get(number);
    if (!d) continue;
    if (d->what == what) mine.push_back(d);
    if (d->what->kind == file_kind::epoll) sets.push_back(std::move(d));
  }
  for (const auto& d : mine)
    if (::dup3(fresh.get(), d->host.get(), O_CLOEXEC) < 0) return errno == EMFILE ? -ENFILE : -errno;
  for (const auto& set : sets) renew_watches(*set, mine);
  return 0;
}

}  // namespace osvm::unikernel
