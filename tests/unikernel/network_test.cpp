// Guests' sockets: published TCP listeners and both directions of vsock, reached as the endpoints that the
// library names.
#include "unikernel/guest_fixture.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>
#include <future>
#include <thread>

namespace {

using namespace osvm;
using namespace osvm::test;

// A blocking client of a guest, with a receive timeout so that no test hangs.
class client {
 public:
  explicit client(const endpoint& where) {
    if (const auto* u = std::get_if<unix_endpoint>(&where)) {
      connect(u->path);
    } else if (const auto* h = std::get_if<hybrid_endpoint>(&where)) {
      connect(h->path);
      send("CONNECT " + std::to_string(h->port) + "\n");
      greeting = line();
    } else {
      ADD_FAILURE() << "unexpected endpoint " << to_string(where);
    }
  }
  client(client&& o) noexcept : greeting(std::move(o.greeting)), fd_(std::exchange(o.fd_, -1)) {}
  ~client() {
    if (fd_ >= 0) ::close(fd_);
  }

  bool send(std::string_view data) {
    while (!data.empty()) {
      const ssize_t n = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      data.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void finish_sending() { ::shutdown(fd_, SHUT_WR); }
  std::string line() {
    std::string text;
    for (char c; text.size() < 4096 && ::recv(fd_, &c, 1, 0) == 1;) {
      text += c;
      if (c == '\n') break;
    }
    return text;
  }
  std::string take(std::size_t size) {
    std::string text(size, 0);
    std::size_t done = 0;
    for (ssize_t n; done < size && (n = ::recv(fd_, text.data() + done, size - done, 0)) > 0;)
      done += static_cast<std::size_t>(n);
    text.resize(done);
    return text;
  }
  std::string rest() {
    std::string text;
    char piece[65536];
    for (ssize_t n; (n = ::recv(fd_, piece, sizeof piece, 0)) > 0;)
      text.append(piece, static_cast<std::size_t>(n));
    return text;
  }
  // One HTTP exchange: the head, then as much body as it announces.
  std::string exchange(const std::string& request) {
    send(request);
    std::string head;
    for (std::string l; (l = line()) != "\r\n" && !l.empty();) head += l;
    const auto at = head.find("Content-Length: ");
    const auto size = at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 16, nullptr, 10);
    return head + "\r\n" + take(size);
  }

  std::string greeting;

 private:
  void connect(const std::string& path) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    path.copy(a.sun_path, sizeof a.sun_path - 1);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a), 0)
        << path << ": " << std::strerror(errno);
    const timeval limit{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  int fd_ = -1;
};

class network : public guest_test {
 protected:
  static constexpr unikernel::listener web{transport::tcp, 8080};

  result<instance> serve(const std::string& name, std::vector<std::string> arguments,
                         unikernel::listener l = web) {
    return start(name, std::move(arguments), [&](auto& o) { o.policy.listen = {l}; });
  }
  // The endpoint of a guest that must listen soon.
  static endpoint listening(instance& guest, unikernel::listener l = web) {
    auto where = guest.wait_listening(l, patience);
    if (!where) {
      ADD_FAILURE() << where.error().to_string() << "\n" << guest.take_output(1) << guest.take_output(2);
      return unix_endpoint{"/nonexistent"};
    }
    return *where;
  }
};

TEST_F(network, http_server_through_its_endpoint) {
  for (const char* name : {"http_server", "http_server_pie", "http_server_musl", "http_server_musl_pie"}) {
    if (!has_program(name)) continue;
    auto guest = serve(name, {"8080", "v7"});
    ASSERT_TRUE(guest) << guest.error().to_string();
    client c(listening(*guest));
    const auto first = c.exchange("GET / HTTP/1.1\r\nHost: x\r\nX-Osvm-Nonce: n1\r\n\r\n");
    EXPECT_NE(first.find("HTTP/1.1 200 OK"), std::string::npos) << name << first;
    EXPECT_NE(first.find("X-Osvm-Release: v7"), std::string::npos) << first;
    EXPECT_NE(first.find("X-Osvm-Nonce: n1"), std::string::npos) << first;
    EXPECT_NE(first.find("\r\n\r\nhello from release v7\n"), std::string::npos) << first;
    const auto echoed = c.exchange("POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_NE(echoed.find("\r\n\r\nhello"), std::string::npos) << echoed;
    const auto large = c.exchange("GET /bytes/3000000 HTTP/1.1\r\n\r\n");
    EXPECT_GT(large.size(), 3000000u) << name;
    const auto slow = c.exchange("GET /slow?ms=30 HTTP/1.1\r\n\r\n");
    EXPECT_NE(slow.find("slow"), std::string::npos) << slow;
    c.send("GET / HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\nConnection: close\r\n\r\n");
    const auto pipelined = c.rest();
    EXPECT_NE(pipelined.find("hello from release v7"), std::string::npos) << pipelined;
    EXPECT_NE(pipelined.find("health\n"), std::string::npos) << pipelined;
    guest->kill();
  }
}

TEST_F(network, bytes_over_connections_are_counted) {
  auto guest = serve("http_server", {"8080"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  const std::string request = "GET /bytes/100000 HTTP/1.1\r\nHost: x\r\n\r\n";
  std::string answer;
  {
    client c(listening(*guest));
    answer = c.exchange(request);
  }
  guest->kill();
  ASSERT_TRUE(guest->wait(patience));
  EXPECT_EQ(guest->stats().socket_received_bytes, request.size());
  EXPECT_EQ(guest->stats().socket_sent_bytes, answer.size());
  const auto inside = run("conformance_unix_sockets").stats;
  EXPECT_EQ(inside.socket_received_bytes + inside.socket_sent_bytes, 0u) << "of the guest's own unix sockets";
}

TEST_F(network, http_server_with_threads_and_many_clients) {
  auto guest = serve("http_server", {"8080", "--threads", "3"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  const auto where = listening(*guest);
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i)
    clients.emplace_back([&, i] {
      client c(where);
      for (int k = 0; k < 25; ++k) {
        const auto nonce = std::to_string(i) + "-" + std::to_string(k);
        const auto r = c.exchange("GET / HTTP/1.1\r\nX-Osvm-Nonce: " + nonce + "\r\n\r\n");
        good += r.find("X-Osvm-Nonce: " + nonce + "\r\n") != std::string::npos;
      }
    });
  for (auto& t : clients) t.join();
  EXPECT_EQ(good, 8 * 25);
}

TEST_F(network, misbehaving_releases_misbehave) {
  EXPECT_EQ(run("http_server", {"--crash-at-start"}).report.shell_status(), 134);
  auto sick = serve("http_server", {"8080", "--never-healthy"});
  ASSERT_TRUE(sick);
  EXPECT_NE(client(listening(*sick)).exchange("GET /health HTTP/1.1\r\n\r\n").find(" 503 "),
            std::string::npos);
  auto broken = serve("http_server", {"8080", "--errors"});
  ASSERT_TRUE(broken);
  EXPECT_NE(client(listening(*broken)).exchange("GET / HTTP/1.1\r\n\r\n").find(" 500 "), std::string::npos);
  auto crashing = serve("http_server", {"8080"});
  ASSERT_TRUE(crashing);
  client c(listening(*crashing));
  c.send("GET /crash HTTP/1.1\r\n\r\n");
  EXPECT_EQ(crashing->wait(patience).value().signal, SIGABRT);
  EXPECT_EQ(c.rest(), "");
}

TEST_F(network, connections_end_when_the_guest_is_killed) {
  auto guest = serve("http_server", {"8080", "--hang"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  client c(listening(*guest));
  c.send("GET / HTTP/1.1\r\n\r\n");
  guest->kill();
  EXPECT_EQ(c.rest(), "");
}

TEST_F(network, waiting_for_a_listener_that_never_comes) {
  auto ends = serve("hello", {});
  ASSERT_TRUE(ends);
  EXPECT_EQ(ends->wait_listening(web, patience).error().code, make_error_code(osvm::errc::closed));
  auto idle = serve("stubborn", {"sleeping"});
  ASSERT_TRUE(idle);
  EXPECT_EQ(idle->wait_listening(web, 50ms).error().code, make_error_code(osvm::errc::timed_out));
  EXPECT_EQ(idle->wait_listening({transport::tcp, 9999}, 50ms).error().code,
            make_error_code(osvm::errc::denied));
  std::promise<result<endpoint>> later;
  idle->async_listening(web, [&](result<endpoint> r) { later.set_value(std::move(r)); });
  idle->kill();
  EXPECT_EQ(later.get_future().get().error().code, make_error_code(osvm::errc::closed));
}

TEST_F(network, two_guests_may_use_the_same_port) {
  auto a = serve("http_server", {"8080", "a"}), b = serve("http_server", {"8080", "b"});
  ASSERT_TRUE(a && b);
  const std::string get = "GET / HTTP/1.1\r\n\r\n";
  EXPECT_NE(client(listening(*a)).exchange(get).find("X-Osvm-Release: a"), std::string::npos);
  EXPECT_NE(client(listening(*b)).exchange(get).find("X-Osvm-Release: b"), std::string::npos);
}

TEST_F(network, the_endpoint_is_private_and_goes_with_the_guest) {
  auto guest = serve("http_server", {"8080"});
  ASSERT_TRUE(guest);
  const auto where = listening(*guest);
  ASSERT_TRUE(std::holds_alternative<unix_endpoint>(where)) << to_string(where);
  const auto path = std::get<unix_endpoint>(where).path;
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_EQ(path.rfind(dir, 0), 0u) << path;
  { const instance gone = std::move(*guest); }
  EXPECT_FALSE(std::filesystem::exists(path)) << path;
  EXPECT_TRUE(std::filesystem::is_empty(dir));
}

TEST_F(network, cpp_epoll_server_with_timers_and_workers) {
  auto guest = serve("epoll_server", {"8080"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  client c(listening(*guest));
  c.send("shout\n");
  EXPECT_EQ(c.line(), "SHOUT\n");
  std::this_thread::sleep_for(60ms);  // the guest's timer runs at 10 ms; its count is checked against this
  c.send("tick\n");
  EXPECT_GE(std::atoi(c.line().c_str()), 3);
  for (int i = 0; i < 200; ++i) c.send("line " + std::to_string(i) + "\n");
  int seen = 0;
  for (; seen < 200 && c.line().rfind("LINE ", 0) == 0; ++seen) {
  }
  EXPECT_EQ(seen, 200);
  c.send("quit\n");
  finish(*guest, "epoll_server").expect_exit(0).expect_output("listening\nbye\n");
}

TEST_F(network, rust_tcp_server) {
  if (!has_program("rust_threads")) GTEST_SKIP() << "SKIPPED: rustc was not there when the guests were built";
  auto guest = serve("rust_threads", {"serve", "8080"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  const auto where = listening(*guest);
  client a(where), b(where);
  a.send("abc\n");
  b.send("xyz\n");
  EXPECT_EQ(a.line(), "cba\n");
  EXPECT_EQ(b.line(), "zyx\n");
  a.send("quit\n");
  finish(*guest, "rust_threads serve").expect_exit(0);
}

TEST_F(network, tcp_echo_streams_both_ways) {
  auto guest = serve("vsock_echo", {"--tcp", "8080"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  const auto where = listening(*guest);
  client sink(where);
  sink.send("sink\n" + std::string(5000000, 'x'));
  sink.finish_sending();
  EXPECT_EQ(sink.rest(), "5000000\n");
  client source(where);
  source.send("source 5000000\n");
  EXPECT_EQ(source.rest().size(), 5000000u);
}

TEST_F(network, vsock_listener) {
  for (const char* name : {"vsock_echo", "vsock_echo_musl"}) {
    if (!has_program(name)) continue;
    const unikernel::listener port{transport::vsock, 5000};
    auto guest = serve(name, {"5000"}, port);
    ASSERT_TRUE(guest) << guest.error().to_string();
    const auto where = listening(*guest, port);
    ASSERT_TRUE(std::holds_alternative<hybrid_endpoint>(where)) << to_string(where);
    client c(where);
    EXPECT_EQ(c.greeting.rfind("OK ", 0), 0u) << c.greeting;
    for (int i = 0; i < 20; ++i) {
      const auto text = "message " + std::to_string(i);
      c.send(text);
      EXPECT_EQ(c.take(text.size()), text);
    }
    client sink(where);
    sink.send("sink\n" + std::string(3000000, 'x'));
    sink.finish_sending();
    EXPECT_EQ(sink.rest(), "3000000\n");
    client wrong(hybrid_endpoint{std::get<hybrid_endpoint>(where).path, 5001});
    EXPECT_EQ(wrong.greeting, "") << "a port without a listener was accepted";
  }
}

// Firecracker's convention: the guest's connect(cid 2, P) arrives at "<name>.vsock_P" in the socket folder.
TEST_F(network, vsock_connect_to_the_host) {
  const tweak granted = [](auto& o) { o.policy.vsock_connect = {6000}; };
  const std::string text = "to the host";

  const auto denied = run("vsock_echo", {"--connect", "6000", text});
  EXPECT_EQ(denied.report.status, 1) << denied.describe();
  const auto nobody = run("vsock_echo", {"--connect", "6000", text}, granted);
  EXPECT_EQ(nobody.report.status, 1) << nobody.describe();
  EXPECT_NE(nobody.err, denied.err) << "a missing peer must not look like a missing grant";

  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  (dir + "/vsock_echo.vsock_6000").copy(a.sun_path, sizeof a.sun_path - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  ASSERT_EQ(::listen(listener, 4), 0);
  std::thread host([&] {
    const int fd = ::accept(listener, nullptr, nullptr);
    char heard[64] = {};
    ssize_t size = 0;
    for (ssize_t n; (n = ::read(fd, heard + size, sizeof heard - static_cast<std::size_t>(size))) > 0;)
      size += n;
    const std::string answer = "heard " + std::string(heard, static_cast<std::size_t>(size));
    (void)!::write(fd, answer.data(), answer.size());
    ::close(fd);
  });
  const auto reached = run("vsock_echo", {"--connect", "6000", text}, granted);
  ::shutdown(listener, SHUT_RDWR);  // lets the thread go when the guest never came
  host.join();
  ::close(listener);
  EXPECT_EQ(reached.report.status, 0) << reached.describe();
  EXPECT_EQ(reached.out, "heard " + text) << reached.describe();
}

TEST_F(network, vsock_names_are_vsock_names) {
  run("vsock_echo", {"--cid"}, [](auto& o) {
    o.policy.listen = {{transport::vsock, 5000}};
  }).expect_output_lacks("family 1 ");
}

TEST_F(network, go_http_server) {
  if (!has_program("go_http")) GTEST_SKIP() << "NOT APPLICABLE: Go was not there when the guests were built";
  auto guest = serve("go_http", {"8080"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  {
    client c(listening(*guest));
    for (int i = 0; i < 200; i++) {
      const auto answer = c.exchange("GET /x HTTP/1.1\r\nHost: guest\r\n\r\n");
      ASSERT_NE(answer.find("hello from go /x 64\n"), std::string::npos) << i << answer;
    }
    // A nil pointer is a SIGSEGV that becomes a panic that is recovered.
    const auto answer = c.exchange("GET /panic HTTP/1.1\r\nHost: guest\r\n\r\n");
    EXPECT_NE(answer.find("recovered: runtime error: invalid memory address"), std::string::npos) << answer;
  }
  ASSERT_TRUE(guest->signal(SIGTERM));
  finish(*guest, "go_http").expect_exit(0).expect_output("served 200\n");
}

}  // namespace
