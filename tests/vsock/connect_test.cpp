#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <osvm/vsock/connect.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <thread>

#include "support.hpp"

namespace osvm::vsock {
namespace {

using namespace std::chrono_literals;

// A plain unix listener whose answers the test writes itself.
class peer {
 public:
  explicit peer(const std::string& path, int backlog = 16)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(fd_.get(), backlog), 0);
  }
  unique_fd accept() { return unique_fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

 private:
  unique_fd fd_;
};

class connect : public testing::Test {
 protected:
  connect() { test::warm_up(loop); }
  test::folder dir;
  std::string where = dir / "p";
  runtime loop;

  result<unique_fd> async(endpoint to, std::chrono::milliseconds timeout = 2s) {
    return async_connect_endpoint(loop.get_executor(), std::move(to), timeout, boost::asio::use_future).get();
  }
};

struct tcp_peer {
  tcp_peer() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
  }
  unique_fd fd;
  std::uint16_t port = 0;
};

TEST_F(connect, reaches_tcp_and_unix_without_blocking_descriptors) {
  tcp_peer tcp;
  ASSERT_EQ(::listen(tcp.fd.get(), 4), 0);
  peer local(where);
  for (const endpoint& to : {endpoint(tcp_endpoint{"127.0.0.1", tcp.port}), endpoint(unix_endpoint{where})}) {
    for (auto fd : {connect_endpoint(to).value().release(), async(to).value().release()}) {
      const unique_fd owned(fd);
      EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
      EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    }
  }
}

TEST_F(connect, names_a_refused_connection) {
  tcp_peer silent;  // bound, so nobody else takes the port, but not listening
  const tcp_endpoint to{"127.0.0.1", silent.port};
  EXPECT_EQ(connect_endpoint(to).error().code, boost::system::errc::connection_refused);
  EXPECT_EQ(async(to).error().code, boost::system::errc::connection_refused);
  EXPECT_EQ(connect_endpoint(unix_endpoint{where}).error().code,
            boost::system::errc::no_such_file_or_directory);
  EXPECT_EQ(connect_endpoint(tcp_endpoint{"localhost", 1}).error().code, errc::invalid_argument);
}

TEST_F(connect, leaves_what_follows_the_answer) {
  peer server(where);
  std::thread guest([&] {
    auto c = server.accept();
    EXPECT_EQ(test::read_line(c.get()), "CONNECT 7\n");
    test::send_all(c.get(), "OK 1073741824\nhello");
  });
  auto fd = connect_hybrid({where, 7});
  guest.join();
  ASSERT_TRUE(fd) << fd.error().to_string();
  EXPECT_EQ(test::read_up_to(fd->get(), 5), "hello");
}

TEST_F(connect, refuses_a_wrong_answer) {
  peer server(where);
  for (const char* answer : {"NO\n", "OK\n", "OK x\n", "OK  1\n", "CONNECT 7\n"}) {
    std::thread guest([&] {
      const auto c = server.accept();
      EXPECT_EQ(test::read_line(c.get()), "CONNECT 7\n");
      test::send_all(c.get(), answer);
    });
    const auto fd = connect_hybrid({where, 7});
    guest.join();
    ASSERT_FALSE(fd) << answer;
    EXPECT_EQ(fd.error().code, errc::malformed) << answer;
  }
}

TEST_F(connect, takes_an_early_close_as_a_refusal) {
  peer server(where);
  std::thread guest([&] { server.accept(); });
  const auto fd = connect_hybrid({where, 7});
  guest.join();
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().code, boost::system::errc::connection_refused);
}

TEST_F(connect, gives_up_on_a_silent_server) {
  peer server(where);
  EXPECT_EQ(connect_hybrid({where, 7}, 50ms).error().code, errc::timed_out);
  EXPECT_EQ(async(hybrid_endpoint{where, 7}, 50ms).error().code, errc::timed_out);
}

TEST_F(connect, waits_for_a_listener_whose_queue_is_full) {
  peer server(where, 0);
  auto first = connect_endpoint(unix_endpoint{where}).value();  // fills the queue
  EXPECT_EQ(try_connect_unix(where).error().code, boost::system::errc::resource_unavailable_try_again);
  EXPECT_EQ(connect_endpoint(unix_endpoint{where}, 50ms).error().code, errc::timed_out);
  auto pending =
      async_connect_endpoint(loop.get_executor(), unix_endpoint{where}, 5s, boost::asio::use_future);
  server.accept();
  EXPECT_TRUE(pending.get());
}

TEST_F(connect, can_be_cancelled_and_leaks_nothing) {
  peer server(where);
  const auto before = test::open_descriptors();
  boost::asio::cancellation_signal signal;
  std::promise<result<unique_fd>> done;
  boost::asio::post(loop.get_executor(), [&] {
    async_connect_endpoint(loop.get_executor(), hybrid_endpoint{where, 7}, 10s,
                           boost::asio::bind_cancellation_slot(
                               signal.slot(), [&](result<unique_fd> r) { done.set_value(std::move(r)); }));
  });
  auto held = server.accept();
  boost::asio::post(loop.get_executor(), [&] { signal.emit(boost::asio::cancellation_type::terminal); });
  auto future = done.get_future();
  ASSERT_EQ(future.wait_for(5s), std::future_status::ready);
  EXPECT_EQ(future.get().error().code, errc::cancelled);
  held.reset();
  EXPECT_EQ(test::open_descriptors_settled(before), before);
}

// The event loop may end while a connect waits: nothing is closed twice, nothing leaks.
TEST_F(connect, survives_the_end_of_its_loop) {
  peer server(where);
  const auto before = test::open_descriptors();
  unique_fd held;  // stays open longer than the loop: closing it would end the connect
  {
    runtime other;
    async_connect_endpoint(other.get_executor(), hybrid_endpoint{where, 7}, 10s,
                           [](result<unique_fd>) { FAIL(); });
    held = server.accept();
  }
  held.reset();
  EXPECT_EQ(test::open_descriptors_settled(before), before);
}

}  // namespace
}  // namespace osvm::vsock
