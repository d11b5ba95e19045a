// The JSON-RPC client against a node of this process that answers as each test says.
#include <osvm/solana/rpc_client.hpp>

#include <boost/asio/use_future.hpp>

#include "net/support.hpp"

namespace osvm::solana {
namespace {

using namespace std::chrono_literals;
using osvm::test::peer;
using osvm::test::test_server;

// Gives, for each request, a whole HTTP answer; `n` counts the requests. Empty: the connection is closed.
class node final {
 public:
  using answer_function = std::function<std::string(const std::string& body, int n)>;
  explicit node(answer_function answer)
      : answer_(std::move(answer)), server_([this](peer& p, int) { serve(p); }) {}
  int requests() const { return requests_; }
  net::url where() const { return server_.where("/rpc?key=secret"); }

  static std::string ok(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  static std::string id_of(const std::string& body) {
    const auto at = body.find("\"id\":") + 5;
    return body.substr(at, body.find(',', at) - at);
  }
  static std::string result(const std::string& body, const std::string& value) {
    return ok("{\"jsonrpc\":\"2.0\",\"result\":" + value + ",\"id\":" + id_of(body) + "}");
  }
  static constexpr const char* unavailable = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";

 private:
  void serve(peer& p) {
    for (;;) {
      const auto head = p.request();
      if (head.empty()) return;
      const auto at = head.find("Content-Length: ") + 16;
      const auto body = p.read_exactly(std::stoul(head.substr(at)));
      const auto text = answer_(body, requests_++);
      if (text.empty() || !p.send(text)) return;
    }
  }
  answer_function answer_;
  std::atomic<int> requests_ = 0;
  test_server server_;
};

class rpc_client_test : public ::testing::Test {
 protected:
  static rpc_client_options fast() {
    rpc_client_options o;
    o.backoff = 1ms;
    o.max_backoff = 2ms;
    return o;
  }
  runtime loop;
};

TEST_F(rpc_client_test, calls_and_gives_results_as_they_were_written) {
  node n([](const std::string& body, int) { return node::result(body, "{\"slot\": 1.0}"); });
  rpc_client c(loop.get_executor(), n.where());
  EXPECT_EQ(*c.call({.method = "getSlot"}), "{\"slot\": 1.0}");
  EXPECT_EQ(*c.call({.method = "getBlock", .params = "[5]"}), "{\"slot\": 1.0}");
  EXPECT_EQ(c.stats().connects, 1U);
}

TEST_F(rpc_client_test, a_node_s_error_is_an_answer_and_not_repeated) {
  node n([](const std::string& body, int) {
    return node::ok(
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32007,\"message\":\"Slot 5 was skipped\"},\"id\":" +
        node::id_of(body) + "}");
  });
  rpc_client c(loop.get_executor(), n.where(), fast());
  const auto r = c.call({.method = "getBlock", .params = "[5]"});
  EXPECT_EQ(r.error().answer->code, -32007);
  EXPECT_EQ(r.error().answer->message, "Slot 5 was skipped");
  EXPECT_EQ(r.error().attempts, 1U);
  EXPECT_EQ(n.requests(), 1);
}

TEST_F(rpc_client_test, what_reads_is_repeated_until_it_works) {
  node n([](const std::string& body, int i) {
    switch (i) {
      case 0: return std::string(node::unavailable);
      case 1: return std::string();  // hangs up
      case 2: return std::string("HTTP/1.1 429 Slow down\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
      default: return node::result(body, "7");
    }
  });
  rpc_client c(loop.get_executor(), n.where(), fast());
  EXPECT_EQ(*c.call({.method = "getSlot"}), "7");
  EXPECT_EQ(n.requests(), 4);
}

TEST_F(rpc_client_test, what_writes_is_done_once) {
  node n([](const std::string&, int) { return std::string(node::unavailable); });
  rpc_client c(loop.get_executor(), n.where(), fast());
  const auto sent = c.call({.method = "sendTransaction", .params = "[\"x\"]"});
  EXPECT_EQ(sent.error().error.code, rpc_errc::http_status);
  EXPECT_EQ(n.requests(), 1);
  const auto wanted = c.call({.method = "sendTransaction", .params = "[\"x\"]", .repeatable = true});
  EXPECT_EQ(wanted.error().attempts, 4U);
  EXPECT_EQ(n.requests(), 5);
  EXPECT_EQ(wanted.error().error.context.find("secret"),
            std::string::npos);  // keys in URLs stay out of errors
}

TEST_F(rpc_client_test, a_lost_connection_does_not_send_twice) {
  node n([](const std::string& body, int i) { return i == 0 ? node::result(body, "1") : std::string(); });
  rpc_client c(loop.get_executor(), n.where(), fast());
  ASSERT_TRUE(c.call({.method = "sendTransaction"}));
  // The kept connection takes the request and dies: nobody knows whether it was done.
  EXPECT_EQ(c.call({.method = "sendTransaction"}).error().error.code, net::errc::connection_lost);
  EXPECT_EQ(n.requests(), 2);
}

TEST_F(rpc_client_test, a_call_has_one_deadline_for_all_attempts) {
  test_server silent([](peer& p, int) { p.wait_for_end(); });
  auto o = fast();
  o.attempt_timeout = 20ms;
  o.max_attempts = 1000;
  o.breaker_failures = 0;
  rpc_client c(loop.get_executor(), silent.where(), o);
  const auto r = c.call({.method = "getSlot", .timeout = 2s});
  EXPECT_EQ(r.error().error.code, osvm::errc::timed_out) << r.error().error.to_string();
  EXPECT_GT(r.error().attempts, 1U);
}

TEST_F(rpc_client_test, the_breaker_opens_and_closes_again) {
  std::atomic<bool> healthy = false;
  node n([&](const std::string& body, int) {
    return healthy ? node::result(body, "1") : std::string(node::unavailable);
  });
  auto o = fast();
  o.breaker_failures = 3;
  o.breaker_pause = 1h;
  {
    rpc_client c(loop.get_executor(), n.where(), o);
    EXPECT_EQ(c.call({.method = "getSlot"}).error().error.code, rpc_errc::circuit_open);
    EXPECT_EQ(n.requests(), 3);
    EXPECT_EQ(c.call({.method = "getSlot"}).error().attempts, 0U);
    EXPECT_EQ(n.requests(), 3);
  }
  o.breaker_pause = 1ms;
  rpc_client c(loop.get_executor(), n.where(), o);
  EXPECT_FALSE(c.call({.method = "getSlot"}));
  healthy = true;
  result<> worked = error(osvm::errc::closed);
  for (int i = 0; i < 1000 && !worked; ++i) {  // the pause is short, but a call may come earlier
    if (c.call({.method = "getSlot"})) worked = result<>();
  }
  EXPECT_TRUE(worked);
  EXPECT_TRUE(c.call({.method = "getSlot"}));
}

TEST_F(rpc_client_test, what_says_nothing_about_the_server_does_not_close_the_breaker) {
  node n([](const std::string& body, int i) {
    return i == 1 ? node::result(body, std::string(2000, '1')) : std::string(node::unavailable);
  });
  auto o = fast();
  o.max_answer = 1000;
  o.breaker_failures = 2;
  o.breaker_pause = 1h;
  rpc_client c(loop.get_executor(), n.where(), o);
  const auto next = [&] { return c.call({.method = "sendTransaction"}).error().error.code; };
  EXPECT_EQ(next(), rpc_errc::http_status);
  EXPECT_EQ(next(), net::errc::too_large);
  EXPECT_EQ(next(), rpc_errc::http_status);
  EXPECT_EQ(next(), rpc_errc::circuit_open);
  EXPECT_EQ(n.requests(), 3);
}

TEST_F(rpc_client_test, our_own_rate_is_kept) {
  node n([](const std::string& body, int) { return node::result(body, "1"); });
  auto o = fast();
  o.max_rate = 0.001;  // one in a quarter of an hour
  o.burst = 2;
  o.timeout = 5s;
  rpc_client c(loop.get_executor(), n.where(), o);
  EXPECT_TRUE(c.call({.method = "getSlot"}));
  EXPECT_TRUE(c.call({.method = "getSlot"}));
  EXPECT_EQ(c.call({.method = "getSlot"}).error().error.code, rpc_errc::rate_limited);
  EXPECT_EQ(n.requests(), 2);
}

TEST_F(rpc_client_test, nonsense_is_named_and_bounded) {
  int i = 0;
  const std::vector<std::string> answers = {node::ok("not JSON"), node::ok("{\"result\":1,\"id\":999}"),
                                            "HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nno!",
                                            node::ok(std::string(2000, ' '))};
  node n([&](const std::string&, int k) { return answers.at(static_cast<std::size_t>(k)); });
  auto o = fast();
  o.max_answer = 1000;
  rpc_client c(loop.get_executor(), n.where(), o);
  for (const error_code expected :
       {error_code(make_error_code(rpc_errc::bad_answer)), error_code(make_error_code(rpc_errc::bad_answer)),
        error_code(make_error_code(rpc_errc::http_status)),
        error_code(make_error_code(net::errc::too_large))}) {
    const auto r = c.call({.method = "getSlot"});
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().error.code, expected) << i << r.error().error.to_string();
    ++i;
  }
  EXPECT_EQ(c.call({.method = "a\",\"b"}).error().error.code, osvm::errc::invalid_argument);
  EXPECT_EQ(n.requests(), 4);
}

TEST_F(rpc_client_test, an_error_with_another_status_is_still_the_node_s) {
  node n([](const std::string& body, int) {
    const auto text = "{\"error\":{\"code\":-32005,\"message\":\"behind\"},\"id\":" + node::id_of(body) + "}";
    return "HTTP/1.1 503 x\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
  });
  rpc_client c(loop.get_executor(), n.where(), fast());
  EXPECT_EQ(c.call({.method = "getHealth"}).error().answer->code, -32005);
}

TEST_F(rpc_client_test, destroying_it_ends_waiting_calls) {
  test_server silent([](peer& p, int) { p.wait_for_end(); });
  auto c = std::make_unique<rpc_client>(loop.get_executor(), silent.where());
  auto one = c->async_call({.method = "getSlot"}, boost::asio::use_future);
  while (silent.connections() == 0) std::this_thread::yield();
  c.reset();
  EXPECT_EQ(one.get().error().error.code, osvm::errc::cancelled);
}

TEST_F(rpc_client_test, forwarding_passes_bodies_as_they_are) {
  node n([](const std::string& body, int i) {
    return i == 0 ? node::ok(body) : "HTTP/1.1 500 x\r\nContent-Length: 2\r\n\r\nno";
  });
  rpc_client c(loop.get_executor(), n.where(), fast());
  EXPECT_EQ(*c.async_forward("[ {\"x\" : 1.0} ]", boost::asio::use_future).get(), "[ {\"x\" : 1.0} ]");
  EXPECT_EQ(c.async_forward("{}", boost::asio::use_future).get().error().error.code, rpc_errc::http_status);
}

}  // namespace
}  // namespace osvm::solana
