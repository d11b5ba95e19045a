// The HTTP client against servers that do what servers should not.
#include <osvm/net/http_client.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include "net/support.hpp"

namespace osvm::net {
namespace {

using namespace std::chrono_literals;
using osvm::test::peer;
using osvm::test::test_server;

class http_client_test : public ::testing::Test {
 protected:
  static http_request get(const test_server& s, const std::string& target = "/") {
    return {.where = s.where(target), .timeout = 30s};
  }
  result<http_response> fetch(http_request r) {
    return client.async_fetch(std::move(r), boost::asio::use_future).get();
  }
  // What one answer, then the end of the connection, makes of a request.
  result<http_response> fetch_text(const std::string& answer, std::size_t max_body = 1000) {
    test_server s([&](peer& p, int) {
      p.request();
      p.send(answer);
    });
    auto r = get(s);
    r.max_body = max_body;
    return fetch(std::move(r));
  }
  runtime loop;
  http_client client{loop.get_executor(), {.max_head = 4096}};
};

TEST_F(http_client_test, asks_and_keeps_the_connection) {
  test_server s([](peer& p, int) {
    while (true) {
      const auto asked = p.request();
      if (asked.empty()) return;
      const auto body = asked.find("Content-Length: 5") != std::string::npos ? p.read_until("hello") : "";
      p.answer(asked.substr(0, asked.find("\r\n")) + body);
    }
  });
  EXPECT_EQ(fetch(get(s, "/a?b=1"))->body, "GET /a?b=1 HTTP/1.1");
  auto post = get(s);
  post.method = "POST";
  post.body = "hello";
  post.fields = {{"X-Key", "v"}};
  const auto r = fetch(std::move(post));
  ASSERT_TRUE(r) << r.error().to_string();
  EXPECT_EQ(r->body, "POST / HTTP/1.1hello");
  EXPECT_EQ(*r->find("content-LENGTH"), "20");
  EXPECT_EQ(r->find("nothing"), nullptr);
  EXPECT_EQ(s.connections(), 1);
  EXPECT_EQ(client.stats().reused, 1U);
}

TEST_F(http_client_test, takes_every_framing_of_an_answer) {
  EXPECT_EQ(
      fetch_text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
          ->body,
      "abcde");
  EXPECT_EQ(fetch_text("HTTP/1.1 200 OK\r\n\r\nto the end")->body, "to the end");
  EXPECT_EQ(fetch_text("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")->status,
            404U);
  EXPECT_EQ(fetch_text("HTTP/1.1 204 No Content\r\n\r\n")->status, 204U);
}

TEST_F(http_client_test, names_what_is_wrong_with_an_answer) {
  const auto code = [&](const std::string& text) { return fetch_text(text).error().code; };
  EXPECT_EQ(code(""), errc::connection_lost);
  EXPECT_EQ(code("HTTP/1.1 200 OK\r\nContent-Le"), errc::connection_lost);
  EXPECT_EQ(code("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), errc::connection_lost);
  EXPECT_EQ(code("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), errc::connection_lost);
  EXPECT_EQ(code("SSH-2.0-OpenSSH_9.2p1\r\n"), errc::bad_response);
  EXPECT_EQ(code("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), errc::bad_response);
  EXPECT_EQ(code("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), errc::bad_response);
  EXPECT_EQ(code("HTTP/1.1 101 Switching\r\n\r\n"), errc::bad_response);
}

TEST_F(http_client_test, memory_is_bounded_by_what_was_allowed) {
  EXPECT_EQ(fetch_text("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n").error().code, errc::too_large);
  EXPECT_EQ(
      fetch_text("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'))->body.size(),
      1000U);
  // Each goes on for as long as the client reads.
  const auto endless = [&](const std::string& start, const std::string& more) {
    test_server s([&](peer& p, int) {
      p.request();
      if (!p.send(start)) return;
      while (p.send(more)) {
      }
    });
    auto r = get(s);
    r.max_body = 100'000;
    return fetch(std::move(r)).error().code;
  };
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\n", "X-Field: and another\r\n"), errc::too_large);
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\nX: ", "one field without an end"), errc::too_large);
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\n\r\n", "a body without an end"), errc::too_large);
  EXPECT_EQ(endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nabcde\r\n"),
            errc::too_large);
  EXPECT_NE(endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", "an extension"), error_code());
  EXPECT_NE(endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-Trailer: x\r\n"),
            error_code());
  EXPECT_EQ(endless("", "HTTP/1.1 100 Continue\r\n\r\n"), errc::bad_response);
}

TEST_F(http_client_test, a_silent_server_costs_the_deadline_and_no_more) {
  test_server s([](peer& p, int) {
    p.request();
    p.answer("x");
    p.wait_for_end();
  });
  ASSERT_TRUE(fetch(get(s)));  // so that connecting takes none of what follows
  auto r = get(s);
  r.timeout = 50ms;
  const auto out = fetch(r);
  EXPECT_EQ(out.error().code, osvm::errc::timed_out);
  EXPECT_EQ(s.connections(), 1);
  EXPECT_NE(out.error().context.find("GET http://127.0.0.1"), std::string::npos);
  // One that trickles too: the deadline is for the whole answer.
  test_server slow([](peer& p, int) {
    p.request();
    p.send("HTTP/1.1 200 OK\r\n");
    while (p.send("X: y\r\n")) std::this_thread::sleep_for(5ms);
  });
  auto trickle = get(slow);
  trickle.timeout = 100ms;
  EXPECT_EQ(fetch(trickle).error().code, osvm::errc::timed_out);
}

TEST_F(http_client_test, a_dead_kept_connection_is_replaced_only_where_that_is_harmless) {
  // Answers once a connection, says keep-alive, and then takes a request and hangs up.
  test_server s([](peer& p, int) {
    p.request();
    p.answer("x");
    p.request();
  });
  ASSERT_TRUE(fetch(get(s)));
  auto again = get(s);
  again.idempotent = true;
  EXPECT_TRUE(fetch(again));
  EXPECT_EQ(s.connections(), 2);
  auto once = get(s);
  once.method = "POST";
  EXPECT_EQ(fetch(once).error().code, errc::connection_lost);
  EXPECT_EQ(s.connections(), 2);
}

TEST_F(http_client_test, what_nobody_asked_for_ends_the_connection) {
  test_server s([](peer& p, int) {
    if (p.request().empty()) return;
    p.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb");
    p.wait_for_end();
  });
  EXPECT_EQ(fetch(get(s))->body, "a");
  EXPECT_EQ(fetch(get(s))->body, "a");  // not the answer that was smuggled behind the first
  EXPECT_EQ(s.connections(), 2);
}

TEST_F(http_client_test, a_request_cannot_hold_another) {
  test_server s([](peer& p, int) { p.request(); });
  const auto refused = [&](auto change) {
    auto r = get(s);
    change(r);
    return fetch(std::move(r)).error().code == osvm::errc::invalid_argument;
  };
  EXPECT_TRUE(refused([](auto& r) { r.fields = {{"X", "a\r\nY: b"}}; }));
  EXPECT_TRUE(refused([](auto& r) { r.fields = {{"X\r\n", "a"}}; }));
  EXPECT_TRUE(refused([](auto& r) { r.fields = {{"content-length", "1"}}; }));
  EXPECT_TRUE(refused([](auto& r) { r.method = "GET /x HTTP/1.1\r\nX:"; }));
  EXPECT_TRUE(refused([](auto& r) { r.where.target = "/ HTTP/1.1\r\nX: y"; }));
  EXPECT_EQ(s.connections(), 0);
}

TEST_F(http_client_test, cancelling_ends_the_exchange) {
  test_server s([](peer& p, int) { p.wait_for_end(); });
  boost::asio::cancellation_signal stop;
  std::promise<result<http_response>> done;
  client.async_fetch(get(s), boost::asio::bind_cancellation_slot(stop.slot(), [&](result<http_response> r) {
                       done.set_value(std::move(r));
                     }));
  while (s.connections() == 0) std::this_thread::yield();
  boost::asio::post(loop.get_executor(), [&] { stop.emit(boost::asio::cancellation_type::terminal); });
  EXPECT_EQ(done.get_future().get().error().code, osvm::errc::cancelled);
}

TEST_F(http_client_test, destroying_the_client_ends_what_is_outstanding) {
  test_server s([](peer& p, int) { p.wait_for_end(); });
  auto own = std::make_unique<http_client>(loop.get_executor());
  auto one = own->async_fetch(get(s), boost::asio::use_future);
  auto two = own->async_fetch(get(s), boost::asio::use_future);
  while (s.connections() < 2) std::this_thread::yield();
  own.reset();
  EXPECT_EQ(one.get().error().code, osvm::errc::cancelled);
  EXPECT_EQ(two.get().error().code, osvm::errc::cancelled);
}

TEST_F(http_client_test, more_at_once_than_allowed_is_busy) {
  test_server s([](peer& p, int) { p.wait_for_end(); });
  auto own = std::make_unique<http_client>(loop.get_executor(), http_client_options{.max_connections = 4});
  std::vector<std::future<result<http_response>>> held;
  auto long_one = get(s);
  long_one.timeout = 1h;  // held until the client goes
  for (int i = 0; i < 4; ++i) held.push_back(own->async_fetch(long_one, boost::asio::use_future));
  while (s.connections() < 4) std::this_thread::yield();
  EXPECT_EQ(own->async_fetch(get(s), boost::asio::use_future).get().error().code, osvm::errc::busy);
  own.reset();
  for (auto& h : held) EXPECT_EQ(h.get().error().code, osvm::errc::cancelled);
}

TEST_F(http_client_test, failures_to_connect_have_names) {
  std::uint16_t closed;
  {
    test_server s([](peer&, int) {});
    closed = s.port();
  }
  EXPECT_EQ(fetch({.where = *parse_url("http://127.0.0.1:" + std::to_string(closed))}).error().code,
            boost::system::errc::connection_refused);
  EXPECT_EQ(fetch({.where = *parse_url("unix:/no/such/socket")}).error().code,
            boost::system::errc::no_such_file_or_directory);
  EXPECT_EQ(fetch({.where = *parse_url("unix:/" + std::string(200, 'x'))}).error().code, errc::bad_url);
  EXPECT_EQ(
      fetch({.where = *parse_url("http://no-such-host.invalid/"), .timeout = 20s}).error().code.category(),
      net_category());
}

TEST_F(http_client_test, a_caller_s_own_way_to_the_server) {
  test_server s([](peer& p, int) {
    p.request();
    p.answer("through the tunnel");
  });
  http_client_options o;
  o.dial.dial = [&](executor, std::chrono::milliseconds, dial_handler done) {
    unique_fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(s.port());
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    std::move(done)(std::move(fd));
  };
  http_client own(loop.get_executor(), std::move(o));
  EXPECT_EQ(own.async_fetch({.where = *parse_url("http://anything/")}, boost::asio::use_future).get()->body,
            "through the tunnel");
  http_client_options bad;
  bad.dial.dial = [](executor, std::chrono::milliseconds, dial_handler done) {
    std::move(done)(error(osvm::errc::not_found, "no such instance"));
  };
  http_client none(loop.get_executor(), std::move(bad));
  EXPECT_EQ(
      none.async_fetch({.where = *parse_url("http://anything/")}, boost::asio::use_future).get().error().code,
      osvm::errc::not_found);
  http_client_options never;
  never.dial.connect_timeout = 50ms;
  std::vector<dial_handler> kept;  // never called
  never.dial.dial = [&](executor, std::chrono::milliseconds, dial_handler done) {
    kept.push_back(std::move(done));
  };
  http_client lost(loop.get_executor(), std::move(never));
  EXPECT_EQ(
      lost.async_fetch({.where = *parse_url("http://anything/")}, boost::asio::use_future).get().error().code,
      osvm::errc::timed_out);
}

}  // namespace
}  // namespace osvm::net
