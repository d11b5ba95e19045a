// Ways out of a guest by its sockets, tried one by one, each with its control; and the connections that
// policy does grant.
#include "support/guest_without_vm.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cstddef>
#include <thread>

namespace {

using namespace osvm;
using namespace osvm::unikernel;
using namespace osvm::unikernel::testing;

std::uint64_t as_word(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

// A socket of the host, as a daemon would have it.
class granted_listener {
 public:
  granted_listener(int family, const void* address, socklen_t size)
      : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(::bind(fd_.get(), static_cast<const sockaddr*>(address), size), 0);
    EXPECT_EQ(::listen(fd_.get(), 4), 0);
    EXPECT_EQ(::fcntl(fd_.get(), F_SETFL, O_NONBLOCK), 0);
  }
  // Whether somebody has connected by now; arrived() waits for it.
  bool reached() {
    pollfd p{fd_.get(), POLLIN, 0};
    return ::poll(&p, 1, 0) > 0;
  }
  bool arrived() { return accept() >= 0; }
  int accept() {
    pollfd p{fd_.get(), POLLIN, 0};
    (void)::poll(&p, 1, 20000);
    accepted_.reset(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return accepted_.get();
  }
  std::uint16_t port() {
    sockaddr_in a{};
    socklen_t size = sizeof a;
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&a), &size);
    return ntohs(a.sin_port);
  }

 private:
  unique_fd fd_, accepted_;
};

sockaddr_un unix_name(std::string_view name, socklen_t& size) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::memcpy(a.sun_path, name.data(), name.size());
  size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (name.front() != 0));
  return a;
}
granted_listener listen_unix(std::string_view name) {
  socklen_t size = 0;
  const auto a = unix_name(name, size);
  return {AF_UNIX, &a, size};
}
granted_listener listen_tcp() {
  const sockaddr_in a{
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  return {AF_INET, &a, sizeof a};
}

class network : public ::testing::Test {
 protected:
  std::int64_t unix_call(guest& g, std::uint64_t number, std::uint64_t fd, std::string_view name) {
    socklen_t size = 0;
    const auto a = unix_name(name, size);
    return g.call(number, {fd, g.put(a), size});
  }
  static std::uint64_t socket(guest& g, int family, int type = SOCK_STREAM, int protocol = 0) {
    const auto fd = g.call(SYS_socket, {as_word(family), as_word(type), as_word(protocol)});
    EXPECT_GE(fd, 0);
    return as_word(fd);
  }
  static std::uint64_t inet(guest& g, std::uint32_t ip, std::uint16_t port) {
    return g.put(
        sockaddr_in{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(ip)}, .sin_zero = {}});
  }
  static std::int64_t dial(guest& g, std::uint32_t ip, std::uint16_t port) {
    return g.call(SYS_connect, {socket(g, AF_INET), inet(g, ip, port), sizeof(sockaddr_in)});
  }
  policy mounted(bool writable = true) {
    policy p;
    p.mounts = {{folder.path(), "/data", writable}};
    return p;
  }
  static void grant(guest& g, const policy& p) { ASSERT_TRUE(g.state.network.outgoing.resolve(p.connect)); }

  temp_folder folder;
};

// ways out

TEST_F(network, abstract_names_of_the_host_are_not_the_guests) {
  const std::string name = std::string(1, '\0') + "osvm-test-" + std::to_string(::getpid());
  auto daemon = listen_unix(name);
  guest g;
  EXPECT_EQ(unix_call(g, SYS_connect, socket(g, AF_UNIX), name), -ECONNREFUSED);
  EXPECT_FALSE(daemon.reached());
  EXPECT_EQ(g.denied(), 1u);
  EXPECT_EQ(unix_call(g, SYS_bind, socket(g, AF_UNIX), name), 0) << "the guest's own name of the same text";
  guest control;
  control.state.rules.policy_connect = false;
  EXPECT_EQ(unix_call(control, SYS_connect, socket(control, AF_UNIX), name), 0);
  EXPECT_TRUE(daemon.arrived());
}

TEST_F(network, two_guests_do_not_meet_in_abstract_names_or_ports) {
  guest a, b;
  const std::string name = std::string(1, '\0') + "same";
  const auto one = socket(a, AF_UNIX), two = socket(a, AF_INET);
  ASSERT_EQ(unix_call(a, SYS_bind, one, name), 0);
  ASSERT_EQ(a.call(SYS_listen, {one, 1}), 0);
  ASSERT_EQ(a.call(SYS_bind, {two, inet(a, INADDR_LOOPBACK, 8080), 16}), 0);
  ASSERT_EQ(a.call(SYS_listen, {two, 1}), 0);
  EXPECT_EQ(unix_call(b, SYS_connect, socket(b, AF_UNIX), name), -ECONNREFUSED);
  EXPECT_EQ(dial(b, INADDR_LOOPBACK, 8080), -ECONNREFUSED);
  EXPECT_EQ(unix_call(a, SYS_connect, socket(a, AF_UNIX), name), 0);
  EXPECT_EQ(dial(a, INADDR_LOOPBACK, 8080), 0);
}

TEST_F(network, a_socket_file_below_a_mount_is_no_grant_to_connect) {
  auto daemon = listen_unix(folder / "daemon.sock");
  guest g(mounted());
  EXPECT_EQ(unix_call(g, SYS_connect, socket(g, AF_UNIX), "/data/daemon.sock"), -ECONNREFUSED);
  EXPECT_FALSE(daemon.reached());
  EXPECT_EQ(g.denied(), 1u);
  EXPECT_EQ(g.open("/data/daemon.sock", O_RDWR), -EACCES);
  guest control(mounted());
  control.state.rules.policy_connect = false;
  // The control connects by the path's text: the same on both sides here.
  EXPECT_EQ(unix_call(control, SYS_connect, socket(control, AF_UNIX), folder / "daemon.sock"), 0);
  EXPECT_TRUE(daemon.arrived());
}

TEST_F(network, a_symbolic_link_to_a_socket_of_the_host_leads_nowhere) {
  temp_folder outside;
  auto daemon = listen_unix(outside / "daemon.sock");
  std::filesystem::create_symlink(outside / "daemon.sock", folder / "link.sock");
  guest g(mounted());
  EXPECT_EQ(unix_call(g, SYS_connect, socket(g, AF_UNIX), "/data/link.sock"), -ENOENT);
  EXPECT_FALSE(daemon.reached());
  EXPECT_EQ(unix_call(g, SYS_bind, socket(g, AF_UNIX), "/data/link.sock"), -EADDRINUSE);
  guest control(mounted());
  control.state.rules.policy_connect = false;
  EXPECT_EQ(unix_call(control, SYS_connect, socket(control, AF_UNIX), "/data/link.sock"), 0);
  EXPECT_TRUE(daemon.arrived());
}

TEST_F(network, binding_outside_of_a_writable_mount_makes_no_file) {
  temp_folder outside;
  guest g(mounted(false));
  EXPECT_EQ(unix_call(g, SYS_bind, socket(g, AF_UNIX), outside / "x.sock"), 0) << "a name of the guest's own";
  EXPECT_EQ(unix_call(g, SYS_bind, socket(g, AF_UNIX), "/data/x.sock"), 0)
      << "also below a mount that is read-only";
  EXPECT_TRUE(std::filesystem::is_empty(outside.path()));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  guest control(mounted(true));
  EXPECT_EQ(unix_call(control, SYS_bind, socket(control, AF_UNIX), "/data/x.sock"), 0);
  EXPECT_TRUE(std::filesystem::is_socket(folder / "x.sock")) << "the grant makes a real one";
  EXPECT_EQ(unix_call(control, SYS_bind, socket(control, AF_UNIX), "/data/../y.sock"), 0);
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(folder.path()).parent_path() / "y.sock"));
}

TEST_F(network, ports_of_the_host_are_out_of_reach) {
  auto daemon = listen_tcp();
  guest g;
  EXPECT_EQ(dial(g, INADDR_LOOPBACK, daemon.port()), -ECONNREFUSED);
  EXPECT_EQ(dial(g, INADDR_ANY, daemon.port()), -ECONNREFUSED);
  EXPECT_EQ(dial(g, 0x08080808, 53), -EACCES);
  EXPECT_FALSE(daemon.reached());
  EXPECT_EQ(g.denied(), 3u);
  guest control;
  control.state.rules.policy_connect = false;
  EXPECT_EQ(dial(control, INADDR_LOOPBACK, daemon.port()), 0);
  EXPECT_TRUE(daemon.arrived());
}

TEST_F(network, a_grant_is_for_one_port) {
  auto daemon = listen_tcp(), other = listen_tcp();
  policy p;
  p.connect = {{.host = "127.0.0.1", .port = daemon.port(), .guest_name = {}}};
  guest g(p);
  grant(g, p);
  EXPECT_EQ(dial(g, INADDR_LOOPBACK, other.port()), -ECONNREFUSED);
  EXPECT_FALSE(other.reached());
  EXPECT_EQ(dial(g, INADDR_LOOPBACK, daemon.port()), 0);
  EXPECT_TRUE(daemon.arrived());
}

TEST_F(network, cids_are_not_chosen) {
  guest g;
  const auto vm = [&](std::uint32_t cid) {
    sockaddr_vm a{};
    a.svm_family = AF_VSOCK;
    a.svm_cid = cid;
    a.svm_port = 99;
    return g.put(a);
  };
  for (const std::uint32_t cid : {0u, 1u, 2u, 4u, 77u}) {
    EXPECT_EQ(g.call(SYS_bind, {socket(g, AF_VSOCK), vm(cid), sizeof(sockaddr_vm)}), -EADDRNOTAVAIL) << cid;
    EXPECT_EQ(g.call(SYS_connect, {socket(g, AF_VSOCK), vm(cid), sizeof(sockaddr_vm)}), -EACCES) << cid;
  }
}

TEST_F(network, a_socket_is_not_opened_again_by_its_number) {
  guest g;
  const auto fd = socket(g, AF_UNIX);
  EXPECT_EQ(g.open("/proc/self/fd/" + std::to_string(fd), O_RDWR), -ENXIO);
  EXPECT_EQ(g.open("/dev/fd/" + std::to_string(fd), O_RDWR), -ENXIO);
}

// descriptors

struct message {
  std::uint64_t at, control;
};
// A guest's struct msghdr with one byte, and room for one descriptor.
message make_message(guest& g, int fd) {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int))] = {};
  cmsghdr c{};
  c.cmsg_len = CMSG_LEN(sizeof(int));
  c.cmsg_level = SOL_SOCKET;
  c.cmsg_type = SCM_RIGHTS;
  std::memcpy(bytes, &c, sizeof c);
  std::memcpy(bytes + CMSG_LEN(0), &fd, sizeof fd);
  const auto control = g.room(sizeof bytes);
  require(memory_access(g.memory).write(control, bytes, sizeof bytes), "control");
  const std::uint64_t range[2] = {g.text("d"), 1};
  const std::uint64_t raw[7] = {0, 0, g.put(range), 1, control, sizeof bytes, 0};
  return {g.put(raw), control};
}
// What the host finds beside a byte: a descriptor, or -1.
int descriptor_from(int socket) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte = 0;
  iovec v{&byte, 1};
  msghdr m{};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  if (::recvmsg(socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0 || m.msg_controllen == 0) return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
  return fd;
}
void send_descriptor(int socket, int fd) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte = 'x';
  iovec v{&byte, 1};
  msghdr m{};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  EXPECT_EQ(::sendmsg(socket, &m, 0), 1);
}

// A guest that is connected to a unix socket of the host which policy grants.
class passing : public network {
 protected:
  void join(guest& g) {
    policy p;
    p.connect = {{.host = "unix:" + (folder / "daemon.sock"), .port = 0, .guest_name = "/run/daemon"}};
    grant(g, p);
    fd = socket(g, AF_UNIX);
    ASSERT_EQ(unix_call(g, SYS_connect, fd, "/run/daemon"), 0);
    host = daemon.accept();
    ASSERT_GE(host, 0);
    file = as_word(g.open("/data/secret", O_RDONLY));
  }
  passing() { folder.write("secret", "secret"); }
  granted_listener daemon = listen_unix(folder / "daemon.sock");
  std::uint64_t fd = 0, file = 0;
  int host = -1;
};

TEST_F(passing, no_descriptor_of_a_guest_leaves) {
  guest g(mounted());
  join(g);
  EXPECT_EQ(g.call(SYS_sendmsg, {fd, make_message(g, static_cast<int>(file)).at, 0}), -EPERM);
  EXPECT_EQ(descriptor_from(host), -1);
  EXPECT_EQ(g.denied(), 1u);
  guest control(mounted());
  control.state.rules.descriptor_passing = false;
  join(control);
  EXPECT_EQ(control.call(SYS_sendmsg, {fd, make_message(control, static_cast<int>(file)).at, 0}), 1);
  const unique_fd got(descriptor_from(host));
  char text[8] = {};
  EXPECT_EQ(::read(got.get(), text, 6), 6) << "the host reads the guest's file";
}

TEST_F(passing, no_descriptor_of_the_host_arrives) {
  const unique_fd secret(::open((folder / "secret").c_str(), O_RDONLY | O_CLOEXEC));
  guest g(mounted());
  join(g);
  send_descriptor(host, secret.get());
  const auto before = g.process.descriptors.count();
  const auto m = make_message(g, -1);
  EXPECT_EQ(g.call(SYS_recvmsg, {fd, m.at, 0}), 1);
  EXPECT_EQ(g.get<std::uint64_t>(m.at + 40), 0u) << "control bytes";
  EXPECT_EQ(g.process.descriptors.count(), before);
  EXPECT_EQ(g.denied(), 1u) << "counted";
  send_descriptor(host, secret.get());
  EXPECT_EQ(g.call(SYS_read, {fd, g.room(16), 16}), 1) << "read() drops it as well";
  EXPECT_EQ(g.denied(), 2u);
  guest control(mounted());
  control.state.rules.descriptor_passing = false;
  join(control);
  send_descriptor(host, secret.get());
  const auto c = make_message(control, -1);
  EXPECT_EQ(control.call(SYS_recvmsg, {fd, c.at, 0}), 1);
  const int got = control.get<int>(c.control + CMSG_LEN(0));
  EXPECT_EQ(control.call(SYS_read, {as_word(got), control.room(16), 16}), 6)
      << "the guest reads the host's file";
}

// Descriptors in flight count, and those whose message is lost are given back.
TEST_F(network, descriptors_in_flight_are_bounded) {
  guest g({}, {.descriptors = 16});
  const auto pair = g.room(8);
  ASSERT_EQ(g.call(SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, pair}), 0);
  const auto a = as_word(g.get<int>(pair)), b = as_word(g.get<int>(pair + 4));
  std::int64_t r = 0;
  int sent = 0;
  for (; sent < 100 && (r = g.call(SYS_sendmsg, {a, make_message(g, 0).at, MSG_DONTWAIT})) == 1; ++sent) {
  }
  EXPECT_EQ(r, -ETOOMANYREFS);
  EXPECT_EQ(sent, 16);
  EXPECT_EQ(g.call(SYS_close, {a}), 0);
  EXPECT_EQ(g.call(SYS_close, {b}), 0);
  ASSERT_EQ(g.call(SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, pair}), 0);
  EXPECT_EQ(g.call(SYS_sendmsg, {as_word(g.get<int>(pair)), make_message(g, 0).at, 0}), 1);
}

// granted connections

TEST_F(network, a_name_leads_to_the_granted_endpoint) {
  auto daemon = listen_tcp();
  policy p;
  p.connect = {{.host = "127.0.0.1", .port = daemon.port(), .guest_name = "Db.Example"}};
  guest g(p);
  grant(g, p);
  EXPECT_EQ(g.slurp("/etc/hosts"), "127.0.0.1 localhost\n::1 localhost\n198.18.0.1 db.example\n");
  const auto fd = socket(g, AF_INET);
  ASSERT_EQ(g.call(SYS_connect, {fd, inet(g, 0xc6120001, daemon.port()), 16}), 0);
  const int host = daemon.accept();
  ASSERT_GE(host, 0);
  EXPECT_EQ(g.call(SYS_write, {fd, g.text("hello"), 5}), 5);
  char text[8] = {};
  EXPECT_EQ(::read(host, text, sizeof text), 5);
  EXPECT_EQ(::write(host, "back", 4), 4);
  const auto buffer = g.room(16);
  EXPECT_EQ(g.call(SYS_read, {fd, buffer, 16}), 4);
  const auto name = g.room(16), size = g.put(socklen_t{16});
  EXPECT_EQ(g.call(SYS_getpeername, {fd, name, size}), 0);
  EXPECT_EQ(ntohl(g.get<sockaddr_in>(name).sin_addr.s_addr), 0xc6120001u)
      << "the address that the guest asked for";
  EXPECT_EQ(g.call(SYS_getsockname, {fd, name, size}), 0);
  EXPECT_EQ(ntohl(g.get<sockaddr_in>(name).sin_addr.s_addr), 0xc0000202u) << "not one of the host's";
}

TEST_F(network, an_epoll_set_follows_a_socket_that_connects) {
  auto daemon = listen_tcp();
  policy p;
  p.connect = {{.host = "127.0.0.1", .port = daemon.port(), .guest_name = {}}};
  guest g(p);
  grant(g, p);
  const auto fd = socket(g, AF_INET, SOCK_STREAM | SOCK_NONBLOCK), set = as_word(g.call(291, {0}));
  struct [[gnu::packed]] event {
    std::uint32_t events;
    std::uint64_t data;
  };
  ASSERT_EQ(g.call(233, {set, 1, fd, g.put(event{1 | 4, 7})}), 0);  // EPOLL_CTL_ADD, IN and OUT
  const auto r = g.call(SYS_connect, {fd, inet(g, INADDR_LOOPBACK, daemon.port()), 16});
  EXPECT_TRUE(r == 0 || r == -EINPROGRESS) << r;
  const auto events = g.room(64);
  EXPECT_EQ(g.call(232, {set, events, 4, 5000}), 1);
  EXPECT_EQ(std::uint64_t{g.get<event>(events).data}, 7u);
  EXPECT_EQ(std::uint32_t{g.get<event>(events).events}, 4u);
  const auto value = g.put(-1), size = g.put(socklen_t{4});
  EXPECT_EQ(g.call(SYS_getsockopt, {fd, SOL_SOCKET, SO_ERROR, value, size}), 0);
  EXPECT_EQ(g.get<int>(value), 0);
  const int host = daemon.accept();
  EXPECT_EQ(::write(host, "x", 1), 1);
  std::uint32_t seen = 0;
  for (int i = 0; i < 10000 && seen != 5; ++i) {
    EXPECT_EQ(g.call(232, {set, events, 4, 5000}), 1);
    seen = g.get<event>(events).events;
    std::this_thread::yield();
  }
  EXPECT_EQ(seen, 5u);
}

TEST_F(network, the_resolver_answers_granted_names_only) {
  policy p;
  p.connect = {{.host = "127.0.0.1", .port = 5432, .guest_name = "db"}};
  guest g(p);
  grant(g, p);
  const auto fd = socket(g, AF_INET, SOCK_DGRAM);
  ASSERT_EQ(g.call(SYS_connect, {fd, inet(g, 0x7f000035, 53), 16}), 0);
  const auto ask = [&](std::string_view name) {
    std::string query("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
    query += static_cast<char>(name.size());
    query += std::string(name) + std::string("\x00\x00\x01\x00\x01", 5);
    const auto at = g.room(query.size());
    require(memory_access(g.memory).write(at, query.data(), query.size()), "query");
    EXPECT_EQ(g.call(SYS_sendto, {fd, at, query.size(), 0, 0, 0}), static_cast<std::int64_t>(query.size()));
    const auto buffer = g.room(512);
    const auto n = g.call(SYS_recvfrom, {fd, buffer, 512, MSG_DONTWAIT, 0, 0});
    return n < 0 ? std::string() : g.bytes(buffer, static_cast<std::size_t>(n));
  };
  const auto known = ask("db");
  ASSERT_GE(known.size(), 4u);
  EXPECT_EQ(known.substr(known.size() - 4), std::string("\xc6\x12\x00\x01", 4));
  EXPECT_EQ(known[3] & 15, 0);
  const auto unknown = ask("secret");
  ASSERT_GE(unknown.size(), 4u);
  EXPECT_EQ(unknown[3] & 15, 3) << "NXDOMAIN";
  EXPECT_EQ(g.denied(), 1u);
  EXPECT_EQ(g.call(SYS_sendto, {fd, g.text("junk"), 4, 0, 0, 0}), 4);
  EXPECT_EQ(
      g.call(SYS_sendto, {socket(g, AF_INET, SOCK_DGRAM), g.text("x"), 1, 0, inet(g, 0x08080808, 53), 16}),
      -EACCES);
}

TEST_F(network, grants_are_checked) {
  const auto refused = [](connect_grant c) {
    outgoing_targets t;
    return !t.resolve({std::move(c)});
  };
  EXPECT_TRUE(refused({.host = "no-such-name.invalid", .port = 80, .guest_name = {}}));
  EXPECT_TRUE(refused({.host = "127.0.0.1", .port = 0, .guest_name = {}}));
  EXPECT_TRUE(refused({.host = "unix:relative", .port = 0, .guest_name = {}}));
  EXPECT_TRUE(refused({.host = "unix:/x", .port = 80, .guest_name = "/y"}));
  for (const char* text :
       {"host", "host:", "host:0", "host:70000", ":80", "host:80=", "host:80=a/b", "unix:x", "a:b:80"})
    EXPECT_FALSE(parse_connect_grant(text)) << text;
  for (const char* text :
       {"host:80", "host:80=name", "[::1]:80", "unix:/x", "unix:/x=/y", "unix:/x=name:80"}) {
    const auto grant = parse_connect_grant(text);
    ASSERT_TRUE(grant) << text;
    EXPECT_EQ(to_string(*grant), text);
  }
}

TEST_F(network, a_published_unix_socket_is_a_file_of_the_host) {
  policy p;
  p.listen_unix = {{.host_path = folder / "app.sock", .guest_path = "/run/app.sock"}};
  guest g(p);
  const auto fd = socket(g, AF_UNIX);
  ASSERT_EQ(unix_call(g, SYS_bind, fd, "/run/app.sock"), 0);
  ASSERT_EQ(g.call(SYS_listen, {fd, 4}), 0);
  struct stat st {};
  ASSERT_EQ(::stat((folder / "app.sock").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  const unique_fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  socklen_t size = 0;
  const auto a = unix_name(folder / "app.sock", size);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&a), size), 0);
  const auto accepted = g.call(SYS_accept, {fd, 0, 0});
  ASSERT_GE(accepted, 0);
  EXPECT_EQ(g.call(SYS_sendmsg, {as_word(accepted), make_message(g, 0).at, 0}), -EPERM)
      << "nothing leaves here either";
  EXPECT_EQ(g.call(SYS_close, {fd}), 0);
  EXPECT_FALSE(std::filesystem::exists(folder / "app.sock"));
}

// Nothing of a guest's loopback is seen on the host.
TEST_F(network, inner_sockets_leave_no_names) {
  guest g;
  g.state.network.names.set_folder(folder.path());
  const auto l = socket(g, AF_INET), d = socket(g, AF_INET, SOCK_DGRAM), s = socket(g, AF_UNIX);
  ASSERT_EQ(g.call(SYS_bind, {l, inet(g, INADDR_LOOPBACK, 0), 16}), 0);
  ASSERT_EQ(g.call(SYS_listen, {l, 1}), 0);
  ASSERT_EQ(g.call(SYS_bind, {d, inet(g, INADDR_LOOPBACK, 0), 16}), 0);
  ASSERT_EQ(unix_call(g, SYS_bind, s, "/tmp/some.sock"), 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  struct stat st {};
  const auto at = g.room(sizeof st);
  EXPECT_EQ(g.call(SYS_stat, {g.text("/tmp/some.sock"), at}), 0);
  EXPECT_TRUE(S_ISSOCK(g.get<struct stat>(at).st_mode));
  EXPECT_EQ(g.call(SYS_unlink, {g.text("/tmp/some.sock")}), 0);
  EXPECT_EQ(g.call(SYS_stat, {g.text("/tmp/some.sock"), at}), -ENOENT);
}

}  // namespace
