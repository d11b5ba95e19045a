// Subscriptions: the client of WebSockets' JSON-RPC against a node of this process.
#include <osvm/net/websocket_frames.hpp>
#include <osvm/solana/rpc_client.hpp>
#include <osvm/solana/rpc_socket.hpp>

#include <boost/asio/use_future.hpp>

#include "net/support.hpp"

namespace osvm::solana {
namespace {

using namespace std::chrono_literals;
using osvm::test::peer;
using osvm::test::test_server;

void say(peer& p, const std::string& text) {
  std::string frame;
  net::append_websocket_frame(frame, net::websocket_message::kind::text, text, std::nullopt);
  p.send(frame);
}

// Shakes hands, then calls `react` for every message of the client.
void serve(peer& p, const std::function<void(const std::string&)>& react) {
  const auto asked = p.request();
  const std::string name = "Sec-WebSocket-Key: ";
  const auto at = asked.find(name) + name.size();
  p.send("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
         net::websocket_accept(asked.substr(at, asked.find("\r\n", at) - at)) + "\r\n\r\n");
  net::websocket_reader in(net::websocket_role::server, 1 << 20);
  for (;;) {
    auto m = in.next();
    if (!m || (*m && (**m).type == net::websocket_message::kind::close)) return;
    if (*m) {
      if ((**m).type == net::websocket_message::kind::text) react((**m).data);
      continue;
    }
    char c[512];
    const auto n = p.read_some(c, sizeof c);
    if (n <= 0) return;
    in.feed({c, static_cast<std::size_t>(n)});
  }
}

std::string id_of(const std::string& body) {
  const auto at = body.find("\"id\":") + 5;
  return body.substr(at, body.find(',', at) - at);
}

class rpc_socket_test : public ::testing::Test {
 protected:
  rpc_result<rpc_socket> open(const test_server& s, rpc_socket_options o = {}) {
    return rpc_socket::async_open(loop.get_executor(), s.where(), std::move(o), boost::asio::use_future)
        .get();
  }
  static rpc_result<std::string> call(rpc_socket& s, const std::string& method) {
    return s.async_call(method, "[]", boost::asio::use_future).get();
  }
  static rpc_result<rpc_notification> next(rpc_socket& s) {
    return s.async_next(boost::asio::use_future).get();
  }
  runtime loop;
};

TEST_F(rpc_socket_test, subscribes_and_gets_notifications_in_order) {
  test_server s([](peer& p, int) {
    serve(p, [&](const std::string& text) {
      say(p, "{\"jsonrpc\":\"2.0\",\"result\":23,\"id\":" + id_of(text) + "}");
      for (int i = 0; i < 100; ++i)
        say(p, "{\"jsonrpc\":\"2.0\",\"method\":\"slotNotification\",\"params\":{\"result\":{\"slot\": " +
                   std::to_string(i) + "},\"subscription\":23}}");
    });
  });
  auto socket = open(s);
  ASSERT_TRUE(socket) << socket.error().error.to_string();
  EXPECT_EQ(*call(*socket, "slotSubscribe"), "23");
  for (int i = 0; i < 100; ++i) {
    const auto n = next(*socket);
    ASSERT_TRUE(n);
    EXPECT_EQ(n->result, "{\"slot\": " + std::to_string(i) + "}");
    EXPECT_EQ(n->subscription, 23U);
    EXPECT_EQ(n->method, "slotNotification");
  }
}

TEST_F(rpc_socket_test, errors_of_the_node_and_of_time_have_names) {
  test_server s([](peer& p, int) {
    serve(p, [&](const std::string& text) {
      if (text.find("silent") != std::string::npos) return;
      say(p, "{\"error\":{\"code\":-32601,\"message\":\"Method not found\"},\"id\":" + id_of(text) + "}");
    });
  });
  auto socket = open(s);
  ASSERT_TRUE(socket);
  EXPECT_EQ(call(*socket, "wrong").error().answer->code, -32601);
  auto hasty = open(s, {.call_timeout = 30ms});
  ASSERT_TRUE(hasty);
  EXPECT_EQ(call(*hasty, "silent").error().error.code, osvm::errc::timed_out);
}

TEST_F(rpc_socket_test, the_end_of_the_connection_ends_everything) {
  test_server s([](peer& p, int) {
    serve(p, [&](const std::string&) {
      std::string bye;
      net::append_websocket_frame(bye, net::websocket_message::kind::close,
                                  net::websocket_close_payload(1013, "busy"), std::nullopt);
      p.send(bye);
    });
  });
  auto socket = open(s);
  ASSERT_TRUE(socket);
  auto waiting = socket->async_next(boost::asio::use_future);
  const auto r = call(*socket, "slotSubscribe");
  EXPECT_EQ(r.error().error.code, net::errc::closed_by_peer);
  EXPECT_EQ(r.error().error.context, "1013 busy");
  EXPECT_EQ(waiting.get().error().error.code, net::errc::closed_by_peer);
  EXPECT_EQ(next(*socket).error().error.code, net::errc::closed_by_peer);
}

TEST_F(rpc_socket_test, notifications_nobody_takes_are_bounded) {
  test_server s([](peer& p, int) {
    serve(p, [&](const std::string&) {
      for (int i = 0; i < 11; ++i) say(p, R"({"method":"m","params":{"result":1,"subscription":1}})");
    });
  });
  auto socket = open(s, {.max_waiting = 10});
  ASSERT_TRUE(socket);
  EXPECT_EQ(call(*socket, "slotSubscribe").error().error.code, rpc_errc::overrun);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(next(*socket));  // what came before can be taken
  EXPECT_EQ(next(*socket).error().error.code, rpc_errc::overrun);
}

TEST_F(rpc_socket_test, notifications_nobody_takes_are_bounded_in_bytes) {
  test_server s([](peer& p, int) {
    serve(p, [&](const std::string&) {
      const std::string filler(1000, '1');
      for (int i = 0; i < 11; ++i)
        say(p, R"({"method":"m","params":{"result":)" + filler + R"(,"subscription":1}})");
    });
  });
  auto socket = open(s, {.max_waiting_bytes = 10'500});
  ASSERT_TRUE(socket);
  EXPECT_EQ(call(*socket, "slotSubscribe").error().error.code, rpc_errc::overrun);
  int taken = 0;
  while (next(*socket)) ++taken;
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, 11);
  EXPECT_EQ(next(*socket).error().error.code, rpc_errc::overrun);
}

TEST_F(rpc_socket_test, what_is_not_json_rpc_ends_it) {
  test_server s([](peer& p, int) { serve(p, [&](const std::string&) { say(p, "[1,2"); }); });
  auto socket = open(s);
  ASSERT_TRUE(socket);
  EXPECT_EQ(call(*socket, "slotSubscribe").error().error.code, rpc_errc::bad_answer);
}

TEST_F(rpc_socket_test, destroying_the_handle_ends_what_waits) {
  test_server s([](peer& p, int) { serve(p, [](const std::string&) {}); });
  auto socket = open(s);
  ASSERT_TRUE(socket);
  auto waiting = socket->async_next(boost::asio::use_future);
  auto asked = socket->async_call("slotSubscribe", "[]", boost::asio::use_future);
  *socket = rpc_socket();
  EXPECT_EQ(waiting.get().error().error.code, osvm::errc::closed);
  EXPECT_EQ(asked.get().error().error.code, osvm::errc::closed);
}

}  // namespace
}  // namespace osvm::solana
