#include <osvm/vsock/fd_queue.hpp>

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace osvm::vsock {
namespace {

// One queued descriptor is one SOCK_SEQPACKET message: the host port, with the descriptor as SCM_RIGHTS.
constexpr std::size_t message_size = sizeof(std::uint32_t);

struct control {
  alignas(cmsghdr) std::byte bytes[CMSG_SPACE(sizeof(int))] = {};
};

msghdr header(iovec& data, control& extra) noexcept {
  msghdr out{};
  out.msg_iov = &data;
  out.msg_iovlen = 1;
  out.msg_control = extra.bytes;
  out.msg_controllen = sizeof(extra.bytes);
  return out;
}

}  // namespace

result<fd_queue> fd_queue::create(unsigned backlog) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    return errno_error("socketpair");
  }
  return fd_queue(unique_fd(ends[0]), unique_fd(ends[1]), std::max(backlog, 1U));
}

bool fd_queue::has_room() const noexcept {
  int queued = 0;  // bytes in all waiting messages
  if (::ioctl(receiver_.get(), FIONREAD, &queued) != 0) return false;
  return static_cast<std::size_t>(queued) < backlog_ * message_size;
}

bool fd_queue::push(queued_fd item) noexcept {
  if (!has_room()) return false;
  iovec data{.iov_base = &item.host_port, .iov_len = message_size};
  control extra;
  msghdr message = header(data, extra);
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = item.fd.get();
  std::memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
  return ::sendmsg(sender_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(message_size);
}

result<queued_fd> fd_queue::take(int receiver_fd) {
  queued_fd out;
  iovec data{.iov_base = &out.host_port, .iov_len = message_size};
  control extra;
  msghdr message = header(data, extra);
  const auto got = ::recvmsg(receiver_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) return errno_error("take a queued connection");
  if (got == 0) return error(errc::closed, "the listener has ended");
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof(int))) {
    // The kernel drops the descriptor when this process may not have another one.
    return errno_error("take a queued connection: no descriptor left", EMFILE);
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
  out.fd.reset(fd);
  return out;
}

port_sink queue_sink(std::shared_ptr<fd_queue> queue) {
  return [queue = std::move(queue)](hybrid_request request) {
    if (!queue->has_room()) return;
    const auto host_port = request.host_port();
    // "OK" goes out before the queue has the descriptor: a fast guest must not answer ahead of it.
    if (auto stream = request.accept()) queue->push({.fd = std::move(*stream), .host_port = host_port});
  };
}

}  // namespace osvm::vsock
