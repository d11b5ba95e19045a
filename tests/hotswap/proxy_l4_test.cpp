// The L4 proxy, listeners, and the life of a proxy.
#include "hotswap/support/fixture.hpp"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace osvm::test {
namespace {

using namespace hotswap;

class proxy_l4 : public proxy_fixture {};

server::script echo() {
  return [](client& c) {
    for (auto b = c.read(1); !b.empty(); b = c.read(1)) c.send(b);
  };
}

TEST_F(proxy_l4, bytes_pass_both_ways_and_half_close_too) {
  server backend([](client& c) {
    const auto all = c.read_all();
    c.send("got " + std::to_string(all.size()));
  });
  start(proxy_mode::l4);
  route_to("v1", backend.where());
  auto c = connect();
  c.send(std::string(3'000'000, 'a'));
  c.shut_down();
  EXPECT_EQ(c.read_all(), "got 3000000");
  EXPECT_FALSE(c.reset());
  EXPECT_TRUE(eventually([&] { return stats().answered == 1 && stats().active == 0; }));
}

TEST_F(proxy_l4, a_slow_reader_holds_the_sender_back_and_loses_nothing) {
  constexpr std::size_t size = 8 << 20;
  std::atomic<bool> sent = false;
  server backend([&](client& c) {
    c.read(1);
    c.send(std::string(size, 'z'));
    sent = true;
  });
  start(proxy_mode::l4);
  route_to("v1", backend.where());
  auto c = connect();
  c.send("x");
  std::this_thread::sleep_for(100ms);
  EXPECT_FALSE(sent);  // the proxy does not take what it cannot pass on
  EXPECT_EQ(c.read_all(10s).size(), size);
}

TEST_F(proxy_l4, a_reset_stays_a_reset) {
  server backend([](client& c) {
    c.read(1);
    c.send("part");
    int unread = 0;  // a unix socket that is closed with unread bytes resets its peer
    eventually([&] { return ::ioctl(c.fd(), FIONREAD, &unread) == 0 && unread > 0; });
  });
  start(proxy_mode::l4);
  route_to("v1", backend.where());
  auto c = connect();
  c.send("x");
  EXPECT_EQ(c.read(4), "part");
  c.send("y");
  EXPECT_TRUE(c.at_end());
  EXPECT_TRUE(c.reset());
}

TEST_F(proxy_l4, without_a_release_connections_are_closed_at_once) {
  start(proxy_mode::l4);
  EXPECT_TRUE(connect().at_end());
  EXPECT_EQ(stats().refused, 1U);
}

TEST_F(proxy_l4, a_connection_stays_with_its_release_until_it_ends) {
  server one(echo()), two([](client&c) { c.send("two"); });
  start(proxy_mode::l4);
  const auto g = route_to("v1", one.where());
  auto c = connect();
  c.send("a");
  EXPECT_EQ(c.read(1), "a");
  route_to("v2", two.where());
  EXPECT_EQ(connect().read(3), "two");
  c.send("b");
  EXPECT_EQ(c.read(1), "b");
  auto drained = proxy_->async_drain(g, 5s, boost::asio::use_future);
  EXPECT_EQ(drained.wait_for(50ms), std::future_status::timeout);
  c.close();
  const auto r = drained.get();
  ASSERT_TRUE(r);
  EXPECT_EQ(r->inflight, 1U);
  EXPECT_EQ(r->cut, 0U);
}

TEST_F(proxy_l4, the_drain_deadline_cuts_and_counts) {
  server one(echo()), two(echo());
  start(proxy_mode::l4, 2);
  const auto g = route_to("v1", one.where());
  std::vector<client> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(connect());
    all.back().send("a");
    EXPECT_EQ(all.back().read(1), "a");
  }
  route_to("v2", two.where());
  const auto r = drain(g, 50ms);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->inflight, 10U);
  EXPECT_EQ(r->cut, 10U);
  EXPECT_GE(r->took, 50ms);
  for (auto& c : all) EXPECT_TRUE(c.at_end() && c.reset());
  EXPECT_EQ(stats().cut, 10U);
  // Clients see the reset a moment before the sessions on other threads have taken themselves off the count.
  EXPECT_TRUE(eventually([&] { return proxy_->release(g)->inflight == 0U; }));
}

TEST_F(proxy_l4, more_connections_than_the_release_accepts_at_once_wait_instead_of_failing) {
  server backend(echo(), 1);  // a backlog of one: connect() says EAGAIN
  start(proxy_mode::l4);
  route_to("v1", backend.where());
  std::vector<client> all;
  for (int i = 0; i < 50; ++i) all.push_back(connect());
  for (auto& c : all) c.send("a");
  for (auto& c : all) EXPECT_EQ(c.read(1), "a");
  EXPECT_EQ(stats().connect_failed, 0U);
}

TEST_F(proxy_l4, a_port_in_use_is_an_error_with_its_errno) {
  start(proxy_mode::l4);
  proxy_options o;
  o.listen = proxy_->local_endpoint();
  const auto second = proxy::listen(loop_->get_executor(), o);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, std::errc::address_in_use);
}

TEST_F(proxy_l4, a_unix_listener_has_its_mode_and_replaces_a_dead_one_only) {
  const auto dir = temp_folder();
  proxy_options o;
  o.listen = unix_endpoint{dir + "/p"};
  o.mode = proxy_mode::l4;
  start(o);
  struct stat st {};
  ASSERT_EQ(::stat((dir + "/p").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600U);
  EXPECT_FALSE(proxy::listen(loop_->get_executor(), o));  // somebody listens
  proxy_.reset();
  EXPECT_NE(::access((dir + "/p").c_str(), F_OK), 0);
  {
    server dead(echo());  // leaves its socket behind, as a killed process does
    ASSERT_EQ(::link(dead.path().c_str(), (dir + "/p").c_str()), 0);
  }
  start(o);
  server backend(echo());
  route_to("v1", backend.where());
  auto c = connect();
  c.send("a");
  EXPECT_EQ(c.read(1), "a");
  proxy_.reset();
  ::rmdir(dir.c_str());
}

TEST_F(proxy_l4, bad_endpoints_and_options_are_errors) {
  runtime loop;
  proxy_options o;
  o.listen = tcp_endpoint{"not an address", 1};
  EXPECT_EQ(proxy::listen(loop.get_executor(), o).error().code, hotswap::errc::bad_listener);
  o.listen = hybrid_endpoint{"/tmp/x", 1};
  EXPECT_EQ(proxy::listen(loop.get_executor(), o).error().code, hotswap::errc::bad_listener);
  o.listen = unix_endpoint{std::string(200, 'a')};
  EXPECT_EQ(proxy::listen(loop.get_executor(), o).error().code, hotswap::errc::bad_listener);
  o.listen = tcp_endpoint{};
  o.buffer = 1;
  EXPECT_EQ(proxy::listen(loop.get_executor(), o).error().code, osvm::errc::invalid_argument);
  EXPECT_EQ(proxy::listen(std::vector<executor>{}, {}).error().code, osvm::errc::invalid_argument);
  auto p = proxy::listen(loop.get_executor(), {});
  ASSERT_TRUE(p);
  EXPECT_EQ(p->shift({"v", tcp_endpoint{"example.org", 80}}).error().code, hotswap::errc::bad_endpoint);
  EXPECT_EQ(p->release(7).error().code, hotswap::errc::no_such_release);
  EXPECT_EQ(p->async_drain(7, 1s, boost::asio::use_future).get().error().code,
            hotswap::errc::no_such_release);
  p->close();
  EXPECT_EQ(p->shift({"v", tcp_endpoint{"127.0.0.1", 80}}).error().code, osvm::errc::closed);
}

TEST_F(proxy_l4, hybrid_endpoints_are_connected_with_their_handshake) {
  std::atomic<int> good = 0;
  server backend([&](client& c) {
    std::string line;
    while (line.find('\n') == std::string::npos) {
      const auto b = c.read(1);
      if (b.empty()) return;
      line += b;
    }
    if (line != "CONNECT 1234\n") return;  // refused by closing
    ++good;
    c.send("OK 1073741824\nearly");
    c.send(c.read(4));
  });
  start(proxy_mode::l4);
  route_to("v1", hybrid_endpoint{backend.path(), 1234});
  auto c = connect();
  EXPECT_EQ(c.read(5), "early");
  c.send("ping");
  EXPECT_EQ(c.read(4), "ping");
  EXPECT_EQ(good, 1);
  route_to("v2", hybrid_endpoint{backend.path(), 99});
  EXPECT_TRUE(connect().at_end());
  EXPECT_TRUE(eventually([&] { return stats().connect_failed == 1; }));
}

TEST_F(proxy_l4, out_of_descriptors_clients_are_refused_and_service_comes_back) {
  server backend(echo());
  start(proxy_mode::l4);
  route_to("v1", backend.where());
  auto held = connect();
  held.send("a");
  ASSERT_EQ(held.read(1), "a");
  std::vector<unique_fd> sockets;
  for (int i = 0; i < 5; ++i) sockets.push_back(unconnected_socket());
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit tight{.rlim_cur = 256, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  std::vector<unique_fd> hoard;  // every descriptor there is
  for (unique_fd fd(::dup(1)); fd; fd.reset(::dup(1))) hoard.push_back(std::move(fd));
  bool all_ended = true;
  std::vector<client> refused;  // kept: closing them would give descriptors back
  for (auto& fd : sockets) {
    refused.emplace_back(std::move(fd), proxy_->local_endpoint());
    all_ended = refused.back().at_end(2s) && all_ended;
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  hoard.clear();
  EXPECT_TRUE(all_ended);
  EXPECT_EQ(stats().refused, 5U);
  held.send("b");
  EXPECT_EQ(held.read(1), "b");
  auto c = connect();
  c.send("c");
  EXPECT_EQ(c.read(1), "c");
}

// A timer that had expired with nothing else to do was once reported again and again by the shard's epoll.
TEST_F(proxy_l4, an_idle_proxy_uses_no_processor_time) {
  proxy_options o;
  o.timeouts.idle = 20ms;
  start(o);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(connect().at_end());  // closed by the timer
  auto c = connect();
  c.close();
  std::this_thread::sleep_for(100ms);
  rusage before{}, after{};
  ::getrusage(RUSAGE_SELF, &before);
  std::this_thread::sleep_for(300ms);
  ::getrusage(RUSAGE_SELF, &after);
  const auto us = [](const rusage& r) {
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1'000'000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
  };
  EXPECT_LT(us(after) - us(before), 30'000);
}

TEST_F(proxy_l4, leaves_no_descriptor_behind) {
  server backend(echo());
  loop_ = std::make_unique<runtime>(runtime_options{.threads = 2});
  const auto count = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      for (const auto mode : {proxy_mode::l4, proxy_mode::l7}) {
        proxy_options o;
        o.mode = mode;
        o.shards = 2;
        auto p = proxy::listen(loop_->get_executor(), o);
        ASSERT_TRUE(p);
        ASSERT_TRUE(p->shift({"v", backend.where()}));
        client c(p->local_endpoint());
        c.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        c.read(1, 200ms);
      }
    }
  };
  count(1);
  std::this_thread::sleep_for(50ms);
  const auto before = open_descriptors();
  count(10);
  EXPECT_TRUE(eventually([&] { return open_descriptors() <= before; }))
      << open_descriptors() << " " << before;
}

TEST_F(proxy_l4, is_destroyed_under_load_and_while_handlers_run) {
  server backend(release_script("v1"));
  for (int round = 0; round < 5; ++round) {
    start(round % 2 == 0 ? proxy_mode::l7 : proxy_mode::l4, 2);
    route_to("v1", backend.where());
    std::atomic<bool> stop = false;
    const auto where = proxy_->local_endpoint();
    std::vector<std::thread> load;
    for (int i = 0; i < 3; ++i) {
      load.emplace_back([&] {
        while (!stop) {
          client c(where);
          while (!stop && c.connected() && c.get("/").complete) {
          }
        }
      });
    }
    std::this_thread::sleep_for(30ms);
    auto pending = proxy_->async_drain(proxy_->generation(), 10s, boost::asio::use_future);
    proxy_.reset();
    pending.wait();  // completes, whatever it says
    stop = true;
    for (auto& t : load) t.join();
  }
}

}  // namespace
}  // namespace osvm::test
