// The PROXY protocol's bytes, the methods of JSON-RPC bodies, limits, and how requests are spread.
#include "hotswap/proxy/proxy_header.hpp"
#include "hotswap/proxy/limiter.hpp"
#include "hotswap/proxy/routing.hpp"
#include "hotswap/proxy/rpc_method.hpp"
#include "hotswap/proxy/target.hpp"

#include <gtest/gtest.h>

#include <map>

namespace osvm::test {
namespace {

using namespace hotswap;
using namespace hotswap::detail;
using namespace std::chrono_literals;
using status = proxy_header::status;

client_address v4(std::uint8_t last, std::uint16_t port) {
  client_address a;
  a.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last};
  a.port = port;
  return a;
}
client_address v6(std::uint8_t last, std::uint16_t port) {
  client_address a;
  a.ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last};
  a.port = port;
  return a;
}

TEST(proxy_header, is_read_as_it_was_written_and_only_when_whole) {
  for (const auto version : {proxy_protocol::v1, proxy_protocol::v2}) {
    for (const auto& [from, to] : {std::pair(v4(1, 1234), v4(2, 80)), std::pair(v6(1, 65535), v6(2, 1))}) {
      const auto text = write_proxy_header(version, from, to);
      for (std::size_t n = 0; n < text.size(); ++n) {
        EXPECT_EQ(read_proxy_header(text.substr(0, n)).state, status::partial) << n;
      }
      const auto h = read_proxy_header(text + "GET / HTTP/1.1\r\n");
      ASSERT_EQ(h.state, status::whole);
      EXPECT_EQ(h.size, text.size());
      EXPECT_EQ(h.source, from);
      EXPECT_EQ(h.destination, to);
    }
    const auto nobody = read_proxy_header(write_proxy_header(version, v4(1, 1), v6(1, 1)));
    EXPECT_EQ(nobody.state, status::whole);
    EXPECT_FALSE(nobody.source.known());
  }
  EXPECT_EQ(write_proxy_header(proxy_protocol::v1, v4(1, 1234), v4(2, 80)),
            "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n");
}

TEST(proxy_header, whatever_else_is_refused) {
  const std::string v2("\r\n\r\n\0\r\nQUIT\n", 12);
  for (const auto& text : std::vector<std::string>{
           "GET / HTTP/1.1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
           "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
           "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
           "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
           "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY " + std::string(120, 'x'),
           v2 + std::string("\x11\x11\0\x0c", 4), v2 + std::string("\x22\x11\0\x0c", 4),
           v2 + std::string("\x21\x11\xff\xff", 4), v2 + std::string("\x21\x11\0\x02", 4) + "ab"}) {
    EXPECT_EQ(read_proxy_header(text).state, status::wrong) << text;
  }
  const auto local = read_proxy_header(v2 + std::string("\x20\0\0\0", 4));
  EXPECT_EQ(local.state, status::whole);
  EXPECT_FALSE(local.source.known());
}

TEST(rpc_methods, are_found_where_every_reader_finds_them) {
  const auto one =
      read_rpc_methods(R"( {"jsonrpc":"2.0","id":1,"method":"getSlot","params":[{"a":[1,"x"]},null]} )", 10);
  ASSERT_EQ(one.status, rpc_status::ok);
  EXPECT_FALSE(one.batch);
  EXPECT_EQ(one.names, (std::vector<std::string_view>{"getSlot"}));
  const auto two = read_rpc_methods(R"([{"method":"a"},{"params":{"method":"not this"},"method":"b"}])", 10);
  ASSERT_EQ(two.status, rpc_status::ok);
  EXPECT_TRUE(two.batch);
  EXPECT_EQ(two.names, (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(read_rpc_methods(R"([{"method":"a"},{"method":"b"}])", 1).status, rpc_status::too_many);
  for (const auto* text :
       {"", "{}", "[]", "1", "null", R"({"method":1})", R"({"method":""})", R"({"method":"a")",
        R"({"method":"a"}x)", R"({"method":"a","method":"b"})", R"({"\u006dethod":"b"})",
        R"({"method":"get\u0053lot"})", R"({"Method":"sendTransaction","method":"getSlot"})",
        R"([{"method":"a"},])", R"([[{"method":"a"}]])", R"({"method":"a","params":[1,2})",
        "{\"method\":\"a\nb\"}", R"({"method":"a","x":"\q"})"}) {
    EXPECT_EQ(read_rpc_methods(text, 10).status, rpc_status::malformed) << text;
  }
  EXPECT_EQ(read_rpc_methods(R"({"method":"a","p":)" + std::string(100'000, '['), 10).status,
            rpc_status::malformed);
}

TEST(limits, let_in_a_burst_and_then_the_rate) {
  token_bucket b;
  const rate_limit l{.per_second = 10, .burst = 3};
  auto now = std::chrono::steady_clock::now();
  int taken = 0;
  while (b.take(l, now)) ++taken;
  EXPECT_EQ(taken, 3);
  EXPECT_FALSE(b.take(l, now + 99ms));
  EXPECT_TRUE(b.take(l, now + 101ms));
  EXPECT_FALSE(b.take(l, now));  // a clock that goes back gives nothing
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(b.take(l, now + 1h));
  EXPECT_FALSE(b.take(l, now + 1h));
}

TEST(limits, count_clients_apart_and_give_back_what_has_ended) {
  auto l = std::make_shared<limiter>(route_limits{.concurrency = 3, .per_client_concurrency = 2});
  const auto now = std::chrono::steady_clock::now();
  auto a = l->enter(v4(1, 1), now), b = l->enter(v4(1, 2), now);
  EXPECT_TRUE(a && b);
  EXPECT_FALSE(l->enter(v4(1, 3), now));  // the client's third
  auto c = l->enter(v4(2, 1), now);
  EXPECT_TRUE(c);
  EXPECT_FALSE(l->enter(v4(3, 1), now));  // the route's fourth
  a.reset();
  EXPECT_TRUE(l->enter(v4(1, 3), now));
  EXPECT_EQ(l->refused(), 2U);
}

TEST(limits, keep_a_bounded_table_of_clients) {
  auto l = std::make_shared<limiter>(route_limits{.per_client = {.per_second = 1, .burst = 1}});
  const auto now = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < 2 * limiter::max_clients; ++i) {
    client_address a = v6(1, 1);
    std::memcpy(a.ip.data() + 4, &i, sizeof i);
    ASSERT_TRUE(l->enter(a, now));
  }
  EXPECT_LE(l->clients(), limiter::max_clients);
}

std::shared_ptr<target> spread(unsigned n) {
  auto t = std::make_shared<target>();
  for (unsigned i = 0; i < n; ++i) {
    t->backends.push_back(std::make_unique<backend>());
    t->backends.back()->hash = hash_of("unix:/backend/" + std::to_string(i));
  }
  return t;
}

TEST(balance, least_connections_by_weight) {
  const auto t = spread(3);
  t->backends[0]->inflight = 5;
  t->backends[1]->inflight = 2;
  t->backends[2]->inflight = 4;
  EXPECT_EQ(t->pick(balance_policy::least_connections, 0, 1, nullptr), t->backends[1].get());
  t->backends[2]->weight = 300;
  EXPECT_EQ(t->pick(balance_policy::least_connections, 0, 1, nullptr), t->backends[2].get());
  EXPECT_EQ(t->pick(balance_policy::least_connections, 0, 1, t->backends[2].get()), t->backends[1].get());
}

TEST(balance, idle_backends_take_turns) {
  const auto t = spread(4);
  for (const auto how : {balance_policy::least_connections, balance_policy::random_two}) {
    std::map<const backend*, int> got;
    for (std::uint64_t i = 0; i < 4000; ++i) ++got[t->pick(how, 0, i, nullptr)];
    ASSERT_EQ(got.size(), 4U);
    for (const auto& [b, n] : got) EXPECT_NEAR(n, 1000, 150);
  }
}

TEST(balance, a_backend_that_leaves_takes_only_its_own_keys_with_it) {
  const auto t = spread(5);
  std::map<std::uint64_t, backend*> before;
  std::map<const backend*, int> got;
  for (std::uint64_t k = 0; k < 5000; ++k) {
    before[k] = t->pick(balance_policy::consistent_hash, hash_of(std::to_string(k)), k, nullptr);
    ++got[before[k]];
  }
  for (const auto& [b, n] : got) EXPECT_NEAR(n, 1000, 150);
  t->backends[2]->down = true;
  for (const auto& [k, b] : before) {
    auto* now = t->pick(balance_policy::consistent_hash, hash_of(std::to_string(k)), k + 7, nullptr);
    if (b == t->backends[2].get()) {
      EXPECT_NE(now, b);
    } else {
      EXPECT_EQ(now, b);
    }
  }
}

TEST(balance, what_fails_is_left_out_for_a_while_unless_it_is_the_last) {
  const auto t = spread(2);
  const ejection_options o{.failures = 3, .time = 1h, .max_time = 2h};
  const auto now = std::chrono::steady_clock::now();
  auto* bad = t->backends[0].get();
  const auto picks_bad = [&] {
    for (std::uint64_t i = 0; i < 50; ++i) {
      if (t->pick(balance_policy::least_connections, 0, i, nullptr) == bad) return true;
    }
    return false;
  };
  bad->failed(o, now, false);
  bad->failed(o, now, false);
  EXPECT_TRUE(picks_bad());
  bad->succeeded();
  bad->failed(o, now, false);
  EXPECT_TRUE(picks_bad());
  bad->failed(o, now, true);  // refused
  EXPECT_FALSE(picks_bad());
  EXPECT_EQ(bad->ejections, 1U);
  t->backends[1]->down = true;
  EXPECT_TRUE(picks_bad());
}

TEST(routes, are_found_by_host_path_and_field) {
  const auto request = [](const std::string& head) {
    static http1::request_head r;
    static std::string keep;
    keep = head + "\r\n";
    EXPECT_EQ(http1::parse_request(keep, {}, r), http1::head_error::none);
    return r;
  };
  rule r;
  r.options.hosts = {"example.org", "*.example.net"};
  r.options.prefix = "/api";
  EXPECT_TRUE(r.matches(request("GET /api HTTP/1.1\r\nHost: Example.org:8080\r\n")));
  EXPECT_TRUE(r.matches(request("GET /api?x HTTP/1.1\r\nHost: example.org\r\n")));
  EXPECT_TRUE(r.matches(request("GET /api/x HTTP/1.1\r\nHost: a.b.example.net\r\n")));
  EXPECT_FALSE(r.matches(request("GET /apis HTTP/1.1\r\nHost: example.org\r\n")));
  EXPECT_FALSE(r.matches(request("GET /api HTTP/1.1\r\nHost: example.net\r\n")));
  EXPECT_FALSE(r.matches(request("GET /api HTTP/1.1\r\nHost: evilexample.net\r\n")));
  r.options = {};
  r.options.header = "x-canary";
  EXPECT_TRUE(r.matches(request("GET / HTTP/1.1\r\nHost: a\r\nX-Canary: \r\n")));
  EXPECT_FALSE(r.matches(request("GET / HTTP/1.1\r\nHost: a\r\n")));
  r.options.value = "yes";
  EXPECT_TRUE(r.matches(request("GET / HTTP/1.1\r\nHost: a\r\nX-Canary: no\r\nX-Canary: yes\r\n")));
  EXPECT_FALSE(r.matches(request("GET / HTTP/1.1\r\nHost: a\r\nX-Canary: no\r\n")));
}

TEST(routes, rpc_batches_go_where_their_methods_agree_to) {
  const auto make = [](const char* name) {
    return std::make_shared<pool>(executor(), pool_options{.name = name});
  };
  rule r;
  r.to = make("main");
  const auto history = make("history"), send = make("send");
  r.lanes = {{{.methods = {"getBlock", "getTransaction*"}, .retry = true}, history, nullptr},
             {{.methods = {"sendTransaction"}}, send, nullptr},
             {{.methods = {"get*"}, .retry = true}, r.to, nullptr}};
  EXPECT_EQ(r.choose({"getBlock"}).to, history);
  EXPECT_TRUE(r.choose({"getBlock", "getTransactionCount"}).retry);
  EXPECT_EQ(r.choose({"getBlock", "getTransactionCount"}).to, history);
  EXPECT_EQ(r.choose({"getBlock", "getSlot"}).to, r.to);
  EXPECT_TRUE(r.choose({"getBlock", "getSlot"}).retry);
  EXPECT_EQ(r.choose({"sendTransaction"}).to, send);
  EXPECT_FALSE(r.choose({"getSlot", "sendTransaction"}).retry);
  EXPECT_EQ(r.choose({"unknown"}).to, r.to);
  EXPECT_FALSE(r.choose({"unknown"}).retry);
}

}  // namespace
}  // namespace osvm::test
