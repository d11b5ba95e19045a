// The WebSocket client and the server of python3-websockets.
#include <osvm/net/websocket.hpp>

#include <boost/asio/use_future.hpp>

#include "net/support.hpp"

namespace osvm::net {
namespace {

class websocket_peer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (osvm::test::child({OSVM_TEST_PYTHON, "-c", "import websockets"}).wait() != 0)
      GTEST_SKIP() << "python3-websockets is not installed (tools/dev/packages.txt)";
    server.emplace(std::vector<std::string>{OSVM_TEST_PYTHON, OSVM_TEST_SCRIPTS "/websocket_server.py"});
    port = server->line();
    ASSERT_FALSE(port.empty());
  }
  result<websocket> open(const std::string& target = "/") {
    const auto where = *parse_url("ws://127.0.0.1:" + port + target);
    return websocket::async_open(loop.get_executor(), where, {}, boost::asio::use_future).get();
  }
  static result<websocket_message> read(websocket& w) { return w.async_read(boost::asio::use_future).get(); }
  runtime loop{{.threads = 2}};
  std::optional<osvm::test::child> server;
  std::string port;
};

TEST_F(websocket_peer, echoes_messages_of_every_size) {
  auto w = open();
  ASSERT_TRUE(w) << w.error().to_string();
  for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 70'000UL, 5'000'000UL}) {
    ASSERT_TRUE(w->send(std::string(size, 'x')));
    const auto m = read(*w);
    ASSERT_TRUE(m) << m.error().to_string();
    EXPECT_EQ(m->data.size(), size);
  }
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(w->send(std::to_string(i)));
  for (int i = 0; i < 200; ++i) ASSERT_EQ(read(*w)->data, std::to_string(i));
}

TEST_F(websocket_peer, pings_paths_and_close_codes) {
  auto w = open("/a?b=c");
  ASSERT_TRUE(w);
  ASSERT_TRUE(w->send("path"));
  EXPECT_EQ(read(*w)->data, "/a?b=c");
  ASSERT_TRUE(w->send("ping"));
  EXPECT_EQ(read(*w)->data, "pong came");
  ASSERT_TRUE(w->send("close"));
  const auto end = read(*w);
  EXPECT_EQ(end.error().code, errc::closed_by_peer);
  EXPECT_EQ(end.error().context, "4001 as asked");
}

TEST_F(websocket_peer, a_server_that_dies_is_named) {
  auto w = open();
  ASSERT_TRUE(w);
  auto waiting = w->async_read(boost::asio::use_future);
  server.reset();
  const auto end = waiting.get();
  // python3-websockets says goodbye on SIGTERM, if it gets that far.
  EXPECT_TRUE(end.error().code == errc::connection_lost || end.error().code == errc::closed_by_peer);
}

}  // namespace
}  // namespace osvm::net
