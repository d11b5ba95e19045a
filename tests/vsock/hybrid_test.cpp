#include <gtest/gtest.h>
#include <sys/un.h>
#include <unistd.h>

#include <osvm/vsock/fd_queue.hpp>
#include <osvm/vsock/hybrid.hpp>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "support.hpp"

namespace osvm::vsock {
namespace {

using namespace std::chrono_literals;
using test::raw_connect;
using test::read_line;
using test::read_up_to;
using test::send_all;

constexpr std::uint32_t port = 52;

class hybrid : public testing::Test {
 protected:
  hybrid() { test::warm_up(loop); }
  hybrid_listener listen(std::chrono::milliseconds timeout = 2s, unsigned handshakes = 64) {
    auto l = hybrid_listener::open(
        loop.get_executor(), {.path = where, .handshake_timeout = timeout, .max_handshakes = handshakes});
    EXPECT_TRUE(l) << l.error().to_string();
    return std::move(l).value();
  }
  // Registers `port` with a queue of that many places.
  std::shared_ptr<fd_queue> queue_on(hybrid_listener& listener, unsigned backlog) {
    auto queue = std::make_shared<fd_queue>(fd_queue::create(backlog).value());
    EXPECT_TRUE(listener.register_port(port, queue_sink(queue)));
    return queue;
  }

  test::folder dir;
  std::string where = dir / "v.sock";
  runtime loop{{.threads = 2}};
};

queued_fd take(fd_queue& queue) {
  EXPECT_TRUE(test::readable_within(queue.receiver(), 5000));
  auto item = fd_queue::take(queue.receiver());
  EXPECT_TRUE(item) << item.error().to_string();
  return item ? std::move(*item) : queued_fd{};
}

TEST_F(hybrid, connects_a_client_with_the_registered_port) {
  auto listener = listen();
  auto queue = queue_on(listener, 8);
  auto client = connect_hybrid({where, port});
  ASSERT_TRUE(client) << client.error().to_string();
  auto served = take(*queue);
  EXPECT_GE(served.host_port, 1U << 30);
  EXPECT_LT(served.host_port, 1U << 31);
  send_all(client->get(), "ping");
  EXPECT_EQ(read_up_to(served.fd.get(), 4), "ping");
  send_all(served.fd.get(), "pong");
  EXPECT_EQ(read_up_to(client->get(), 4), "pong");
}

TEST_F(hybrid, connects_asynchronously) {
  auto listener = listen();
  auto queue = queue_on(listener, 8);
  auto future = async_connect_hybrid(loop.get_executor(), {where, port}, boost::asio::use_future);
  auto client = future.get();
  ASSERT_TRUE(client) << client.error().to_string();
  send_all(client->get(), "x");
  EXPECT_EQ(read_up_to(take(*queue).fd.get(), 1), "x");
}

TEST_F(hybrid, keeps_the_bytes_right_behind_the_newline) {
  auto listener = listen();
  auto queue = queue_on(listener, 8);
  auto client = raw_connect(where);
  send_all(client.get(), "CONNECT 52\nGET / HTTP/1.1\r\n");
  auto served = take(*queue);
  EXPECT_EQ(read_up_to(served.fd.get(), 16), "GET / HTTP/1.1\r\n");
  EXPECT_TRUE(read_line(client.get()).starts_with("OK "));
}

TEST_F(hybrid, takes_a_line_that_arrives_byte_by_byte) {
  auto listener = listen();
  auto queue = queue_on(listener, 8);
  auto client = raw_connect(where);
  for (const char c : std::string_view("CONNECT 52\n")) {
    send_all(client.get(), {&c, 1});
    std::this_thread::yield();
  }
  EXPECT_TRUE(read_line(client.get()).starts_with("OK "));
  EXPECT_TRUE(take(*queue).fd);
}

TEST_F(hybrid, counts_host_ports_up) {
  auto listener = listen();
  auto queue = queue_on(listener, 8);
  auto one = connect_hybrid({where, port});
  auto two = connect_hybrid({where, port});
  const auto first = take(*queue).host_port;
  const auto second = take(*queue).host_port;
  EXPECT_EQ((first + 1 - (1U << 30)) % (1U << 30), second - (1U << 30));
}

class hybrid_corpus : public hybrid, public testing::WithParamInterface<const char*> {};

TEST_P(hybrid_corpus, closes_without_ok) {
  auto listener = listen();
  auto queue = queue_on(listener, 8);
  auto client = raw_connect(where);
  send_all(client.get(), GetParam());
  EXPECT_EQ(read_up_to(client.get(), 1), "");
  EXPECT_FALSE(fd_queue::take(queue->receiver()));
  EXPECT_TRUE(connect_hybrid({where, port})) << "the listener must survive it";
}

INSTANTIATE_TEST_SUITE_P(malformed, hybrid_corpus,
                         testing::Values("connect 52\n", "CONNECT 52\r\n", "CONNECT 052\n", "CONNECT -52\n",
                                         "CONNECT 4294967295\n",
                                         "CONNECT 99999999999999999999999999999999999\n",
                                         "GET / HTTP/1.1\r\n\r\n", "CONNECT\n", "\n", "\xff\xfe", "OK 52\n",
                                         "CONNECT 53\n" /* not registered */));

TEST_F(hybrid, a_client_that_leaves_in_the_middle_harms_nobody) {
  auto listener = listen();
  auto queue = queue_on(listener, 8);
  const auto before = test::open_descriptors();
  for (int i = 0; i < 20; ++i) {
    auto client = raw_connect(where);
    send_all(client.get(), "CONN");
  }
  auto client = connect_hybrid({where, port});
  ASSERT_TRUE(client);
  take(*queue);
  client->reset();
  EXPECT_EQ(test::open_descriptors_settled(before), before);
}

TEST_F(hybrid, cuts_a_slow_handshake_at_its_deadline) {
  auto listener = listen(100ms);
  auto queue = queue_on(listener, 8);
  auto client = raw_connect(where);
  send_all(client.get(), "CONNECT 5");
  EXPECT_EQ(read_up_to(client.get(), 1), "");  // "<timeout>" after five seconds if the rule did not work
}

// The control of the test above: without the deadline rule the same slow client is served.
TEST_F(hybrid, control_serves_a_slow_handshake_when_the_deadline_is_far) {
  auto listener = listen(1h);
  auto queue = queue_on(listener, 8);
  auto client = raw_connect(where);
  send_all(client.get(), "CONNECT 5");
  EXPECT_FALSE(test::readable_within(client.get(), 300));
  send_all(client.get(), "2\n");
  EXPECT_TRUE(read_line(client.get()).starts_with("OK "));
}

TEST_F(hybrid, silent_clients_do_not_lock_others_out) {
  auto listener = listen(100ms, 4);
  auto queue = queue_on(listener, 64);
  std::vector<unique_fd> silent;
  for (int i = 0; i < 12; ++i) silent.push_back(raw_connect(where));
  EXPECT_TRUE(connect_hybrid({where, port}, 5s));
}

// Its control: with the deadline far, four silent clients hold all four places.
TEST_F(hybrid, control_silent_clients_hold_all_places_when_the_deadline_is_far) {
  auto listener = listen(1h, 4);
  auto queue = queue_on(listener, 64);
  std::vector<unique_fd> silent;
  for (int i = 0; i < 12; ++i) silent.push_back(raw_connect(where));
  const auto client = connect_hybrid({where, port}, 300ms);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, errc::timed_out);
}

TEST_F(hybrid, refuses_when_the_backlog_is_full_and_recovers) {
  auto listener = listen();
  auto queue = queue_on(listener, 2);
  auto one = connect_hybrid({where, port});
  auto two = connect_hybrid({where, port});
  ASSERT_TRUE(one && two);
  const auto three = connect_hybrid({where, port});
  ASSERT_FALSE(three);
  EXPECT_EQ(three.error().code, boost::system::errc::connection_refused);
  take(*queue);
  EXPECT_TRUE(connect_hybrid({where, port}));
}

TEST_F(hybrid, serves_200_parallel_clients) {
  auto listener = listen();
  auto queue = queue_on(listener, 256);
  const auto before = test::open_descriptors();
  {
    std::vector<std::future<result<unique_fd>>> pending;
    for (int i = 0; i < 200; ++i) {
      pending.push_back(async_connect_hybrid(loop.get_executor(), {where, port}, boost::asio::use_future));
    }
    std::vector<unique_fd> clients;
    for (auto& p : pending) {
      auto client = p.get();
      ASSERT_TRUE(client) << client.error().to_string();
      clients.push_back(std::move(*client));
    }
    std::set<std::uint32_t> ports;
    for (int i = 0; i < 200; ++i) ports.insert(take(*queue).host_port);
    EXPECT_EQ(ports.size(), 200U);
  }
  EXPECT_EQ(test::open_descriptors_settled(before), before);
}

TEST_F(hybrid, registers_and_unregisters_while_clients_come) {
  auto listener = listen();
  std::atomic<bool> stop{false};
  std::atomic<int> served{0};
  std::thread clients([&] {
    while (!stop) {
      if (connect_hybrid({where, port}, 2s)) ++served;
    }
  });
  for (int i = 0; i < 200; ++i) {
    auto alive = std::make_shared<bool>(true);
    ASSERT_TRUE(listener.register_port(port, [flag = alive.get()](hybrid_request request) {
      ASSERT_TRUE(*flag);  // a use after unregister_port() is what the sanitizers would see here
      (void)request.accept();
    }));
    if (i == 100) {
      for (int n = 0; n < 5000 && served == 0; ++n) std::this_thread::sleep_for(1ms);
    }
    EXPECT_TRUE(listener.unregister_port(port));
    *alive = false;
  }
  stop = true;
  clients.join();
  EXPECT_GT(served, 0);
}

TEST_F(hybrid, a_port_has_one_owner) {
  auto listener = listen();
  ASSERT_TRUE(listener.register_port(port, [](hybrid_request) {}));
  EXPECT_EQ(listener.register_port(port, [](hybrid_request) {}).error().code, errc::busy);
  EXPECT_EQ(listener.register_port(0xffffffff, [](hybrid_request) {}).error().code, errc::invalid_argument);
  EXPECT_TRUE(listener.unregister_port(port));
  EXPECT_FALSE(listener.unregister_port(port));
}

TEST_F(hybrid, destroys_with_handshakes_and_clients_under_way) {
  const auto before = test::open_descriptors();
  std::vector<unique_fd> clients;
  {
    auto listener = listen(1h);
    auto queue = queue_on(listener, 8);
    for (int i = 0; i < 8; ++i) clients.push_back(raw_connect(where));
    send_all(clients[0].get(), "CONNECT 52\n");
    EXPECT_TRUE(read_line(clients[0].get()).starts_with("OK "));
  }
  EXPECT_FALSE(std::filesystem::exists(where));
  for (auto& c : clients) EXPECT_EQ(read_up_to(c.get(), 1), "");
  EXPECT_EQ(connect_hybrid({where, port}).error().code, boost::system::errc::no_such_file_or_directory);
  clients.clear();
  EXPECT_EQ(test::open_descriptors_settled(before), before);
}

TEST_F(hybrid, may_be_destroyed_on_its_own_executor) {
  auto listener = std::make_unique<hybrid_listener>(listen());
  std::promise<void> done;
  boost::asio::post(loop.get_executor(), [&] {
    listener.reset();
    done.set_value();
  });
  ASSERT_EQ(done.get_future().wait_for(5s), std::future_status::ready);
  EXPECT_FALSE(std::filesystem::exists(where));
}

TEST_F(hybrid, socket_is_for_its_owner_only) {
  const auto old = ::umask(0);
  auto listener = listen();
  ::umask(old);
  struct stat info {};
  ASSERT_EQ(::stat(where.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST_F(hybrid, refuses_a_folder_that_others_may_write) {
  ASSERT_EQ(::chmod(dir.path().c_str(), 0777), 0);
  const auto refused = hybrid_listener::open(loop.get_executor(), {.path = where});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::denied);
  ASSERT_EQ(::chmod(dir.path().c_str(), 0700), 0);  // the control: the same call works in a private folder
  EXPECT_TRUE(hybrid_listener::open(loop.get_executor(), {.path = where}));
}

TEST_F(hybrid, refuses_to_replace_a_living_socket) {
  auto listener = listen();
  auto queue = queue_on(listener, 2);
  const auto second = hybrid_listener::open(loop.get_executor(), {.path = where});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, errc::busy);
  EXPECT_TRUE(connect_hybrid({where, port})) << "the first listener must be unharmed";
}

TEST_F(hybrid, replaces_a_dead_socket_but_no_other_file) {
  {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    where.copy(address.sun_path, sizeof(address.sun_path) - 1);
    unique_fd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  { auto listener = listen(); }
  EXPECT_FALSE(std::filesystem::exists(where));
  std::filesystem::create_directory(where);
  EXPECT_EQ(hybrid_listener::open(loop.get_executor(), {.path = where}).error().code, errc::busy);
  EXPECT_TRUE(std::filesystem::exists(where));
}

TEST_F(hybrid, leaves_a_file_that_is_no_longer_its_own) {
  {
    auto listener = listen();
    std::filesystem::remove(where);
    std::filesystem::create_directory(where);
  }
  EXPECT_TRUE(std::filesystem::is_directory(where));
}

TEST_F(hybrid, works_at_a_path_longer_than_sockaddr_un) {
  const auto deep = dir / std::string(150, 'd');
  ASSERT_TRUE(std::filesystem::create_directory(deep));
  where = deep + "/v.sock";
  {
    auto listener = listen();
    auto queue = queue_on(listener, 2);
    EXPECT_TRUE(connect_hybrid({where, port}));
  }
  EXPECT_FALSE(std::filesystem::exists(where));
}

TEST_F(hybrid, refuses_a_file_name_that_cannot_be_a_socket) {
  for (const auto& name : {std::string(100, 'n'), std::string(), std::string("a\0b", 3)}) {
    const auto refused = hybrid_listener::open(loop.get_executor(), {.path = dir / name});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::invalid_argument);
  }
}

}  // namespace
}  // namespace osvm::vsock
