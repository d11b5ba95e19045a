#include "unikernel/worker/link.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <memory>

namespace osvm::unikernel::wire {
namespace {

constexpr int body_seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;

error gone() {
  return {osvm::errc::closed, "the worker process has ended"};
}

result<unique_fd> attach(const std::string& body) {
  unique_fd file(::memfd_create("osvm-message", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return errno_error("memory file for a message");
  for (std::size_t done = 0; done < body.size();) {
    const ssize_t n = ::pwrite(file.get(), body.data() + done, body.size() - done, static_cast<off_t>(done));
    if (n <= 0) return errno_error("writing a message");
    done += static_cast<std::size_t>(n);
  }
  if (::fcntl(file.get(), F_ADD_SEALS, body_seals) != 0) return errno_error("sealing a message");
  return file;
}

// The seals are looked at, so that a body cannot change while it is read.
result<std::string> attached(const unique_fd& file, std::uint64_t size) {
  struct stat st {};
  if (size > max_body || (::fcntl(file.get(), F_GET_SEALS) & body_seals) != body_seals ||
      ::fstat(file.get(), &st) != 0 || static_cast<std::uint64_t>(st.st_size) != size) {
    return error(osvm::errc::malformed, "attached body of a message");
  }
  std::string body(size, '\0');
  for (std::size_t done = 0; done < body.size();) {
    const ssize_t n = ::pread(file.get(), body.data() + done, body.size() - done, static_cast<off_t>(done));
    if (n <= 0) return errno_error("reading a message");
    done += static_cast<std::size_t>(n);
  }
  return body;
}

struct control_space {
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int) * max_descriptors)> bytes{};
};

void put_descriptors(msghdr& m, control_space& space, const std::vector<int>& fds) {
  if (fds.empty()) return;
  m.msg_control = space.bytes.data();
  m.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
  std::memcpy(CMSG_DATA(c), fds.data(), sizeof(int) * fds.size());
}

std::vector<unique_fd> take_descriptors(msghdr& m) {
  std::vector<unique_fd> fds;
  for (cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

std::vector<int> message::numbers() const {
  std::vector<int> all;
  for (const unique_fd& fd : fds) all.push_back(fd.get());
  return all;
}

void link::open(unique_fd socket, std::chrono::seconds patience) noexcept {
  socket_ = std::move(socket);
  const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
  (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit,
                     sizeof limit);  // fails for no socket only
}

void link::replace(unique_fd socket) noexcept {
  const std::lock_guard guard(sending_);
  socket_ = std::move(socket);
}

void link::send_now(wire::kind what) noexcept {
  const header head{.kind = static_cast<std::uint32_t>(what)};
  (void)::send(socket_.get(), &head, sizeof head, MSG_NOSIGNAL | MSG_DONTWAIT);
}

result<void> link::send(wire::kind what, std::uint32_t id, writer& body) {
  header head{.kind = static_cast<std::uint32_t>(what), .id = id};
  std::vector<int> fds = body.descriptors();
  unique_fd file;
  std::array<iovec, 2> parts{iovec{&head, sizeof head}, iovec{body.bytes().data(), body.bytes().size()}};
  if (body.bytes().size() > max_inline) {
    OSVM_TRY(file, attach(body.bytes()));
    head.attached = body.bytes().size();
    fds.push_back(file.get());
    parts[1].iov_len = 0;
  }
  if (fds.size() > max_descriptors) return error(osvm::errc::limit_exceeded, "descriptors of a message");
  control_space space;
  msghdr m{};
  m.msg_iov = parts.data();
  m.msg_iovlen = parts.size();
  put_descriptors(m, space, fds);
  const std::lock_guard guard(sending_);
  ssize_t n = 0;
  do n = ::sendmsg(socket_.get(), &m, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n >= 0) return {};
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN || errno == EBADF) return gone();
  if (errno == EAGAIN) return error(osvm::errc::timed_out, "the worker process takes no messages");
  return errno_error("sending to the worker process");
}

result<message> link::receive() {
  message got;
  const auto buffer = std::make_unique_for_overwrite<char[]>(max_inline);
  std::array<iovec, 2> parts{iovec{&got.head, sizeof got.head}, iovec{buffer.get(), max_inline}};
  control_space space;
  msghdr m{};
  m.msg_iov = parts.data();
  m.msg_iovlen = parts.size();
  m.msg_control = space.bytes.data();
  m.msg_controllen = space.bytes.size();
  ssize_t n = 0;
  do n = ::recvmsg(socket_.get(), &m, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n == 0 || (n < 0 && errno == ECONNRESET)) return gone();
  if (n < 0) return errno_error("receiving from the worker process");
  got.fds = take_descriptors(m);
  if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || static_cast<std::size_t>(n) < sizeof got.head)
    return error(osvm::errc::malformed, "message of the worker process");
  got.body.assign(buffer.get(), static_cast<std::size_t>(n) - sizeof got.head);
  if (got.head.attached == 0) return got;
  if (got.fds.empty() || !got.body.empty()) return error(osvm::errc::malformed, "message without its body");
  OSVM_TRY(got.body, attached(got.fds.back(), got.head.attached));
  got.fds.pop_back();
  return got;
}

void link::shut_down() noexcept {
  if (socket_) (void)::shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace osvm::unikernel::wire
