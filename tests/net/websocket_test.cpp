// The WebSocket client against servers that break the protocol.
#include <osvm/net/websocket.hpp>

#include <boost/asio/use_future.hpp>

#include "net/support.hpp"

namespace osvm::net {
namespace {

using namespace std::chrono_literals;
using osvm::test::peer;
using osvm::test::test_server;

std::string accept_of(const std::string& request) {
  const std::string name = "Sec-WebSocket-Key: ";
  const auto at = request.find(name) + name.size();
  return websocket_accept(request.substr(at, request.find("\r\n", at) - at));
}

void shake(peer& p) {
  const auto asked = p.request();
  p.send(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      accept_of(asked) + "\r\n\r\n");
}

class websocket_test : public ::testing::Test {
 protected:
  result<websocket> open(const test_server& s, websocket_options o = {}) {
    return websocket::async_open(loop.get_executor(), s.where(), std::move(o), boost::asio::use_future).get();
  }
  static result<websocket_message> read(websocket& w) { return w.async_read(boost::asio::use_future).get(); }
  // What reading gives when the server sends `bytes` behind the handshake.
  error_code read_bytes(const std::string& bytes, websocket_options o = {}) {
    test_server s([&](peer& p, int) {
      shake(p);
      p.send(bytes);
      p.wait_for_end();
    });
    auto w = open(s, std::move(o));
    return w ? read(*w).error().code : w.error().code;
  }
  runtime loop;
};

TEST_F(websocket_test, messages_arrive_and_pings_are_answered) {
  std::promise<std::string> seen;
  test_server s([&](peer& p, int) {
    shake(p);
    p.send(std::string("\x89\x02hi\x81\x05hello", 11));
    websocket_reader r(websocket_role::server, 1000);
    std::string all;
    while (all.find("bye") == std::string::npos) {
      auto m = r.next();
      if (!m) break;
      if (*m) {
        all += (**m).data + ";";
        continue;
      }
      char c[1];
      const auto got = p.read_some(c, 1);
      if (got <= 0) break;
      r.feed({c, 1});
    }
    seen.set_value(all);
    p.wait_for_end();
  });
  auto w = open(s);
  ASSERT_TRUE(w) << w.error().to_string();
  EXPECT_EQ(read(*w)->data, "hello");
  EXPECT_TRUE(w->send("one"));
  EXPECT_TRUE(w->send("bye"));
  EXPECT_EQ(seen.get_future().get(), "hi;one;bye;");
}

TEST_F(websocket_test, breaches_of_the_protocol_have_names) {
  EXPECT_EQ(read_bytes(std::string("\x83\x00", 2)), errc::protocol);
  EXPECT_EQ(read_bytes(std::string("\x81\x81"
                                   "abcdx",
                                   7)),
            errc::protocol);
  EXPECT_EQ(read_bytes(std::string("\x81\x01\xff", 3)), errc::protocol);
  EXPECT_EQ(read_bytes(std::string("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10)), errc::too_large);
  EXPECT_EQ(read_bytes(std::string("\x88\x02\x03\xe8", 4)), errc::closed_by_peer);
}

TEST_F(websocket_test, the_handshake_must_belong_to_ours) {
  const auto answer = [&](const std::string& text) {
    test_server s([&](peer& p, int) {
      p.request();
      p.send(text);
      p.wait_for_end();
    });
    return open(s).error().code;
  };
  const std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  EXPECT_EQ(answer(head + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
            errc::upgrade_refused);
  EXPECT_EQ(answer(head + "\r\n"), errc::upgrade_refused);
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), errc::upgrade_refused);
  EXPECT_EQ(answer("nonsense\r\n\r\n"), errc::bad_response);
  EXPECT_EQ(answer("HTTP/1.1 101 X\r\nX: " + std::string(20000, 'x')), errc::too_large);
}

TEST_F(websocket_test, silence_costs_a_deadline) {
  test_server mute([](peer& p, int) { p.wait_for_end(); });
  EXPECT_EQ(open(mute, {.timeout = 50ms}).error().code, osvm::errc::timed_out);
  // No handshake fails, but nothing comes, not even pongs.
  test_server s([](peer& p, int) {
    shake(p);
    p.wait_for_end();
  });
  auto w = open(s, {.ping_every = 20ms});
  ASSERT_TRUE(w);
  EXPECT_EQ(read(*w).error().code, osvm::errc::timed_out);
  EXPECT_EQ(w->send("late").error().code, osvm::errc::closed);
}

TEST_F(websocket_test, a_server_that_takes_nothing_bounds_what_is_queued) {
  test_server s([](peer& p, int) {
    shake(p);
    p.wait_to_be_closed_without_reading();
  });
  auto w = open(s, {.max_queued = 1 << 20, .ping_every = 0ms});
  ASSERT_TRUE(w);
  result<> sent;
  for (int i = 0; i < 1000 && sent; ++i) sent = w->send(std::string(100'000, 'x'));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, errc::too_slow);
}

TEST_F(websocket_test, a_server_that_pings_and_takes_nothing_costs_one_answer) {
  std::promise<std::size_t> answered;
  constexpr std::size_t rounds = 200;
  std::string pings;
  for (int i = 0; i < 1000; ++i)
    append_websocket_frame(pings, websocket_message::kind::ping, std::string(125, 'p'), std::nullopt);
  test_server s([&](peer& p, int) {
    shake(p);
    for (std::size_t i = 0; i < rounds; ++i) p.send(pings);
    p.send(
        std::string("\x81\x04"
                    "done",
                    6));
    websocket_reader r(websocket_role::server, 1000);
    std::size_t bytes = 0;
    for (std::vector<char> buffer(1 << 16);;) {
      auto m = r.next();
      if (!m || (*m && (**m).type == websocket_message::kind::text)) break;
      if (*m) continue;
      const auto n = p.read_some(buffer.data(), buffer.size());
      if (n <= 0) break;
      r.feed({buffer.data(), static_cast<std::size_t>(n)});
      bytes += static_cast<std::size_t>(n);
    }
    answered.set_value(bytes);
    p.wait_for_end();
  });
  auto w = open(s, {.ping_every = 0ms});
  ASSERT_TRUE(w);
  EXPECT_EQ(read(*w)->data, "done");
  EXPECT_TRUE(w->send("bye"));
  const auto bytes = answered.get_future().get();
  EXPECT_GT(bytes, 0U);
  EXPECT_LT(bytes, rounds * pings.size() * 2 / 3);  // what the kernel's buffers held, not an answer to each
}

TEST_F(websocket_test, closing_ends_a_waiting_read) {
  test_server s([](peer& p, int) {
    shake(p);
    p.wait_for_end();
  });
  auto w = open(s);
  ASSERT_TRUE(w);
  auto waiting = w->async_read(boost::asio::use_future);
  w->close(1000, "enough", 20ms);
  EXPECT_EQ(waiting.get().error().code, osvm::errc::closed);
  auto other = open(s);
  auto lost = other->async_read(boost::asio::use_future);
  other = error(osvm::errc::closed);  // the last handle goes
  EXPECT_EQ(lost.get().error().code, osvm::errc::closed);
}

}  // namespace
}  // namespace osvm::net
