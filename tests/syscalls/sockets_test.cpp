// Sockets: what policy grants, what stands behind them on the host, and what must not pass.
#include "support/guest_without_vm.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <osvm/vsock/connect.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

namespace osvm::unikernel::testing {
namespace {

class sockets : public ::testing::Test {
 protected:
  static policy granted() {
    policy p;
    p.listen = {{transport::tcp, 8080}, {transport::vsock, 99}};
    p.vsock_connect = {7};
    return p;
  }
  void place(guest& g) { g.host.socket_folder = folder.path(); }

  static std::uint64_t inet(guest& g, std::uint16_t port, std::uint32_t ip = INADDR_ANY) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(ip);
    return g.put(a);
  }
  static std::uint64_t vm(guest& g, std::uint32_t cid, std::uint32_t port) {
    sockaddr_vm a{};
    a.svm_family = AF_VSOCK;
    a.svm_cid = cid;
    a.svm_port = port;
    return g.put(a);
  }
  static std::uint64_t stream(guest& g, int family, int flags = 0) {
    const auto fd = g.call(
        SYS_socket, {static_cast<std::uint64_t>(family), static_cast<std::uint64_t>(SOCK_STREAM | flags), 0});
    EXPECT_GE(fd, 0);
    return static_cast<std::uint64_t>(fd);
  }
  std::uint64_t listening_tcp(guest& g, int flags = 0) {
    const auto fd = stream(g, AF_INET, flags);
    EXPECT_EQ(g.call(SYS_bind, {fd, inet(g, 8080), 16}), 0);
    EXPECT_EQ(g.call(SYS_listen, {fd, 16}), 0);
    return fd;
  }
  int connect_client(const std::string& path) {
    auto c = vsock::connect_endpoint(unix_endpoint{path});
    EXPECT_TRUE(c) << (c ? "" : c.error().to_string());
    return c ? c->release() : -1;
  }

  temp_folder folder;
};

TEST_F(sockets, a_granted_listener_is_a_private_unix_socket) {
  guest g(granted());
  place(g);
  const auto fd = listening_tcp(g);
  ASSERT_EQ(g.host.listeners.size(), 1u);
  EXPECT_EQ(g.host.listeners[0], (listener{transport::tcp, 8080}));
  struct stat st;
  ASSERT_EQ(::stat((folder / "tcp-8080").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);

  const unique_fd client(connect_client(folder / "tcp-8080"));
  const auto size = g.put(socklen_t{16}), name = g.room(16);
  const auto c = g.call(SYS_accept4, {fd, name, size, SOCK_CLOEXEC});
  ASSERT_GE(c, 0);
  const auto peer = g.get<sockaddr_in>(name);
  EXPECT_EQ(peer.sin_family, AF_INET);
  EXPECT_EQ(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK);
  EXPECT_EQ(g.get<socklen_t>(size), 16u);

  ASSERT_EQ(::write(client.get(), "ping", 4), 4);
  const auto buffer = g.room(64);
  EXPECT_EQ(g.call(SYS_recvfrom, {static_cast<std::uint64_t>(c), buffer, 64, 0, 0, 0}), 4);
  EXPECT_EQ(g.bytes(buffer, 4), "ping");
  EXPECT_EQ(g.call(SYS_sendto, {static_cast<std::uint64_t>(c), g.text("pong"), 4, MSG_NOSIGNAL, 0, 0}), 4);
  char answer[8];
  EXPECT_EQ(::read(client.get(), answer, sizeof answer), 4);
  EXPECT_EQ(g.call(SYS_close, {fd}), 0);
  EXPECT_NE(::stat((folder / "tcp-8080").c_str(), &st), 0) << "the name went with the listener";
}

TEST_F(sockets, other_ports_are_denied_and_named) {
  guest g(granted());
  place(g);
  const auto fd = stream(g, AF_INET);
  EXPECT_EQ(g.call(SYS_bind, {fd, inet(g, 8081, INADDR_ANY), 16}), -EACCES);
  EXPECT_EQ(g.state.denials().at(0).what, "bind tcp:8081");
  EXPECT_EQ(g.state.denials().at(0).rule, "--publish HOST:PORT=guest:8081");
  EXPECT_EQ(g.call(SYS_bind, {fd, inet(g, 8081, 0x01020304), 16}), -EADDRNOTAVAIL);
  EXPECT_EQ(g.call(SYS_bind, {fd, inet(g, 8081, INADDR_LOOPBACK), 16}), 0)
      << "the loopback is the guest's own";
  EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "and has no name on the host";
  guest control(granted());
  place(control);
  control.state.rules.policy_listen = false;
  EXPECT_EQ(control.call(SYS_bind, {stream(control, AF_INET), inet(control, 8081, INADDR_ANY), 16}), 0);
}

TEST_F(sockets, listening_replaces_nothing_on_the_host) {
  folder.write("tcp-8080", "precious");
  guest g(granted());
  place(g);
  const auto fd = stream(g, AF_INET);
  EXPECT_EQ(g.call(SYS_bind, {fd, inet(g, 8080), 16}), -EADDRINUSE);
  EXPECT_EQ(g.call(SYS_close, {fd}), 0);
  EXPECT_TRUE(std::filesystem::exists(folder / "tcp-8080"));
}

TEST_F(sockets, families_that_are_not_served_are_refused_by_name) {
  guest g(granted());
  for (const int family : {AF_NETLINK, AF_PACKET, 38})
    EXPECT_EQ(g.call(SYS_socket, {static_cast<std::uint64_t>(family), SOCK_STREAM, 0}), -EAFNOSUPPORT);
  EXPECT_EQ(g.call(SYS_socket, {AF_INET, SOCK_RAW, 1}), -EAFNOSUPPORT);
  EXPECT_EQ(g.call(SYS_socket, {AF_NETLINK, SOCK_RAW, 9}), -EAFNOSUPPORT) << "the audit log";
  EXPECT_EQ(g.denied(), 5u);
}

TEST_F(sockets, outgoing_connections_need_a_grant) {
  guest g(granted());
  place(g);
  EXPECT_EQ(g.call(SYS_connect, {stream(g, AF_INET), inet(g, 80, 0x01020304), 16}), -EACCES);
  EXPECT_EQ(g.call(SYS_connect, {stream(g, AF_VSOCK), vm(g, 2, 8), sizeof(sockaddr_vm)}), -EACCES);
  EXPECT_EQ(g.call(SYS_connect, {stream(g, AF_VSOCK), vm(g, 5, 7), sizeof(sockaddr_vm)}), -EACCES)
      << "another guest's CID";
  EXPECT_EQ(g.denied(), 3u);
  EXPECT_EQ(g.call(SYS_connect, {stream(g, AF_VSOCK), vm(g, 2, 7), sizeof(sockaddr_vm)}), -ECONNRESET)
      << "nobody there";
}

// A listening unix socket of the host.
unique_fd host_listener(const std::string& path) {
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::strncpy(a.sun_path, path.c_str(), sizeof a.sun_path - 1);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  EXPECT_EQ(::listen(fd.get(), 1), 0);
  return fd;
}

TEST_F(sockets, vsock_connect_reaches_the_granted_port_and_only_that) {
  const unique_fd service = host_listener(folder / "vsock_7"), other = host_listener(folder / "vsock_8");
  guest g(granted());
  place(g);
  const auto fd = stream(g, AF_VSOCK);
  ASSERT_EQ(g.call(SYS_connect, {fd, vm(g, 2, 7), sizeof(sockaddr_vm)}), 0);
  const unique_fd end(::accept4(service.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(g.call(SYS_write, {fd, g.text("hi"), 2}), 2);
  char got[4];
  EXPECT_EQ(::read(end.get(), got, sizeof got), 2);
  const auto name = g.room(16), size = g.put(socklen_t{16});
  EXPECT_EQ(g.call(SYS_getpeername, {fd, name, size}), 0);
  EXPECT_EQ(g.get<sockaddr_vm>(name).svm_cid, 2u);
  EXPECT_EQ(g.get<sockaddr_vm>(name).svm_port, 7u);
  EXPECT_EQ(g.call(SYS_connect, {fd, vm(g, 2, 7), sizeof(sockaddr_vm)}), -EISCONN);
  EXPECT_EQ(g.call(SYS_connect, {stream(g, AF_VSOCK), vm(g, 2, 8), sizeof(sockaddr_vm)}), -EACCES);
  guest control(granted());
  place(control);
  control.state.rules.policy_connect = false;
  EXPECT_EQ(control.call(SYS_connect, {stream(control, AF_VSOCK), vm(control, 2, 8), sizeof(sockaddr_vm)}),
            0);
}

TEST_F(sockets, vsock_listener_takes_queued_connections) {
  guest g(granted());
  place(g);
  const auto fd = stream(g, AF_VSOCK);
  ASSERT_EQ(g.call(SYS_bind, {fd, vm(g, VMADDR_CID_ANY, 99), sizeof(sockaddr_vm)}), 0);
  ASSERT_EQ(g.call(SYS_listen, {fd, 4}), 0);
  ASSERT_TRUE(g.host.queues.contains(99));
  const auto buffer = g.room(64);
  EXPECT_EQ(g.call(SYS_read, {fd, buffer, 64}), -ENOTCONN) << "the queue's own messages are not the guest's";

  std::int64_t accepted = 0;
  const auto name = g.room(16), size = g.put(socklen_t{16});
  std::thread waiting([&] { accepted = g.call(SYS_accept, {fd, name, size}); });
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  const unique_fd client(ends[0]);
  ASSERT_TRUE(g.host.queues[99]->push({unique_fd(ends[1]), 1234567890}));
  waiting.join();
  ASSERT_GE(accepted, 0);
  EXPECT_EQ(g.get<sockaddr_vm>(name).svm_cid, 2u);
  EXPECT_EQ(g.get<sockaddr_vm>(name).svm_port, 1234567890u);
  EXPECT_EQ(g.call(SYS_write, {static_cast<std::uint64_t>(accepted), g.text("x"), 1}), 1);
  char got;
  EXPECT_EQ(::read(client.get(), &got, 1), 1);
  EXPECT_EQ(g.call(SYS_close, {fd}), 0);
  EXPECT_FALSE(g.host.queues.contains(99)) << "closing the listener tells the host";
}

TEST_F(sockets, blocked_accept_is_interrupted) {
  guest g(granted());
  place(g);
  const auto fd = listening_tcp(g);
  std::int64_t r = 0;
  std::thread waiting([&] { r = g.call(SYS_accept, {fd, 0, 0}); });
  g.thread.wait.interrupt();
  waiting.join();
  EXPECT_EQ(r, -EINTR);
  g.thread.wait.clear_interrupt();
  const timeval soon{0, 1000};
  EXPECT_EQ(g.call(SYS_setsockopt, {fd, SOL_SOCKET, SO_RCVTIMEO, g.put(soon), sizeof soon}), 0);
  EXPECT_EQ(g.call(SYS_accept, {fd, 0, 0}), -EAGAIN);
}

// Descriptors that a peer sends must not enter the guest, nor the guest's leave.
TEST_F(sockets, ancillary_data_passes_in_neither_direction) {
  guest g(granted());
  place(g);
  const auto fd = listening_tcp(g);
  const unique_fd client(connect_client(folder / "tcp-8080"));
  const auto c = static_cast<std::uint64_t>(g.call(SYS_accept, {fd, 0, 0}));

  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte = 'x';
  iovec v{&byte, 1};
  msghdr m{};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&m);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int secret = client.get();
  std::memcpy(CMSG_DATA(rights), &secret, sizeof secret);
  ASSERT_EQ(::sendmsg(client.get(), &m, 0), 1);

  const auto before = g.process.descriptors.count();
  const std::uint64_t range[2] = {g.room(16), 16};
  const auto ancillary = g.room(64);
  const auto message = [&](std::uint64_t control_size) {
    const std::uint64_t raw[7] = {0, 0, g.put(range), 1, ancillary, control_size, 0};
    return g.put(raw);
  };
  const auto in = message(64);
  EXPECT_EQ(g.call(SYS_recvmsg, {c, in, 0}), 1);
  EXPECT_EQ(g.get<std::uint64_t>(in + 40), 0u) << "no control bytes arrive";
  EXPECT_EQ(g.process.descriptors.count(), before);

  EXPECT_EQ(g.denied(), 1u) << "counted";
  const int input = 0;
  std::memcpy(CMSG_DATA(rights), &input, sizeof input);
  EXPECT_TRUE(memory_access(g.memory).write(ancillary, control, sizeof control));
  EXPECT_EQ(g.call(SYS_sendmsg, {c, message(sizeof control), 0}), -EPERM);
  EXPECT_EQ(g.call(SYS_sendmsg, {c, message(0), 0}), 16);
}

TEST_F(sockets, options_answer_as_tcp_does) {
  guest g(granted());
  place(g);
  const auto fd = stream(g, AF_INET);
  const auto one = g.put(1), value = g.room(16), size = g.put(socklen_t{4});
  for (const auto& [level, name] :
       {std::pair{SOL_SOCKET, SO_REUSEADDR}, {IPPROTO_TCP, TCP_NODELAY}, {SOL_SOCKET, SO_KEEPALIVE}}) {
    EXPECT_EQ(g.call(SYS_setsockopt,
                     {fd, static_cast<std::uint64_t>(level), static_cast<std::uint64_t>(name), one, 4}),
              0);
    EXPECT_EQ(g.call(SYS_getsockopt,
                     {fd, static_cast<std::uint64_t>(level), static_cast<std::uint64_t>(name), value, size}),
              0);
    EXPECT_EQ(g.get<int>(value), 1);
  }
  const auto get = [&](int name) {
    EXPECT_EQ(g.call(SYS_getsockopt, {fd, SOL_SOCKET, static_cast<std::uint64_t>(name), value, size}), 0);
    return g.get<int>(value);
  };
  EXPECT_EQ(get(SO_DOMAIN), AF_INET);
  EXPECT_EQ(get(SO_PROTOCOL), IPPROTO_TCP);
  EXPECT_EQ(get(SO_ERROR), 0);
  EXPECT_EQ(g.call(SYS_setsockopt, {fd, SOL_SOCKET, SO_PASSCRED, one, 4}), -EPERM);
  EXPECT_EQ(g.call(SYS_setsockopt, {fd, SOL_SOCKET, SO_ATTACH_FILTER, one, 4}), -ENOPROTOOPT);
  EXPECT_EQ(g.call(SYS_setsockopt, {fd, SOL_SOCKET, SO_BINDTODEVICE, one, 4}), -ENOPROTOOPT);
}

TEST_F(sockets, socketpair_moves_messages_whole) {
  guest g;
  const auto at = g.room(8);
  ASSERT_EQ(g.call(SYS_socketpair, {AF_UNIX, SOCK_SEQPACKET, 0, at}), 0);
  const auto pair = g.get<std::array<int, 2>>(at);
  const auto a = static_cast<std::uint64_t>(pair[0]), b = static_cast<std::uint64_t>(pair[1]);
  EXPECT_EQ(g.call(SYS_sendto, {a, g.text("abc"), 3, 0, 0, 0}), 3);
  EXPECT_EQ(g.call(SYS_sendto, {a, g.text("de"), 2, 0, 0, 0}), 2);
  const auto buffer = g.room(16);
  EXPECT_EQ(g.call(SYS_recvfrom, {b, buffer, 16, 0, 0, 0}), 3);
  EXPECT_EQ(g.call(SYS_recvfrom, {b, buffer, 16, 0, 0, 0}), 2);
  EXPECT_EQ(g.call(SYS_shutdown, {a, SHUT_RDWR}), 0);
  EXPECT_EQ(g.call(SYS_recvfrom, {b, buffer, 16, 0, 0, 0}), 0);
}

}  // namespace
}  // namespace osvm::unikernel::testing
