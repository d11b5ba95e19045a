// The proxy from a configuration: rules, limits, backends that fail, who the client is, reload, releases.
#include "hotswap/support/sockets.hpp"

#include "hotswap/gateway/watch.hpp"

#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/gateway.hpp>

#include <gtest/gtest.h>
#include <poll.h>
#include <boost/asio/use_future.hpp>

#include <filesystem>
#include <future>
#include <set>

namespace osvm::test {
namespace {

using namespace hotswap;

// Answers with its name; says in headers what it was asked.
server::script named(std::string name) {
  return [name](client& c) {
    while (const auto r = read_request(c)) {
      const std::string body = name + "\n";
      std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
      for (const auto* f : {"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"}) {
        if (const auto v = r->header(f); !v.empty()) head += std::string("Saw-") + f + ": " + v + "\r\n";
      }
      if (!c.send(head + "Saw-Body: " + std::to_string(r->body.size()) + "\r\n\r\n" + body)) return;
    }
  };
}

class gateway_fixture : public ::testing::Test {
 protected:
  ~gateway_fixture() override {
    gateway_.reset();
    loop_.stop();
    std::filesystem::remove_all(dir_);
  }
  std::string front() const { return "unix:" + dir_ + "/front"; }
  static std::string at(const server& s) { return "unix:" + s.path(); }

  result<gateway_config> parse(const std::string& text) { return parse_gateway_config(text, "test.yaml"); }
  void open(const std::string& text, std::function<void(std::string_view)> log = {}) {
    auto config = parse(text);
    ASSERT_TRUE(config) << config.error().to_string();
    gateway_options o;
    o.access_log = std::move(log);
    o.on_event = [this](const std::string& s, const release_event& e) {
      std::lock_guard lock(mutex_);
      events_.push_back(s + " " + e.version + " " + to_string(e.state));
    };
    auto made = gateway::open({loop_.get_executor()}, std::move(*config), std::move(o));
    ASSERT_TRUE(made) << made.error().to_string();
    gateway_ = std::make_unique<gateway>(std::move(*made));
    const auto n = gateway_->services().size();
    std::promise<void> all;
    std::atomic<std::size_t> left{n};
    gateway_->begin([&](const std::string& name, const result<shift_report>& r) {
      EXPECT_TRUE(r && r->state == release_state::active) << name;
      if (--left == 0) all.set_value();
    });
    all.get_future().wait();
  }
  void reload(const std::string& text) {
    auto config = parse(text);
    ASSERT_TRUE(config) << config.error().to_string();
    std::promise<void> done;
    auto r = gateway_->reload(std::move(*config), [&] { done.set_value(); });
    ASSERT_TRUE(r) << r.error().to_string();
    done.get_future().wait();
  }
  result<shift_report> shift(const std::string& service, const std::string& version, const server& to) {
    std::promise<result<shift_report>> p;
    gateway_->shift(service, version, {to.where()},
                    [&](result<shift_report> r) { p.set_value(std::move(r)); });
    return p.get_future().get();
  }
  std::vector<backend_status> backends(const std::string& service) {
    return gateway_->services()[service].backends;
  }
  client connect() { return client(*parse_endpoint(front())); }
  static std::string request(const std::string& host, const std::string& path,
                             const std::string& extra = {}) {
    return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + extra + "\r\n";
  }
  client::response ask(const std::string& host, const std::string& path, const std::string& extra = {}) {
    auto c = connect();
    c.send(request(host, path, extra));
    return c.receive();
  }
  client::response post(const std::string& body) {
    auto c = connect();
    c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body);
    return c.receive();
  }
  std::string one_listener(const std::string& routes, const std::string& services,
                           const std::string& more = {}) {
    return "listeners:\n  - {listen: \"" + front() + "\"" + more + ", routes: [" + routes +
           "]}\nservices: {" + services + "}\n";
  }

  std::string dir_ = temp_folder();
  runtime loop_;
  std::unique_ptr<gateway> gateway_;
  std::mutex mutex_;
  std::vector<std::string> events_;
};

// --- configuration ---

TEST_F(gateway_fixture, each_mistake_is_told_with_its_place) {
  const std::string services = "services:\n  web: {backends: [\"unix:/b\"]}\n";
  const auto where = [&](const std::string& text) {
    const auto r = parse(text);
    return r ? std::string("no error") : r.error().context;
  };
  const auto expect = [&](const std::string& text, const std::string& place) {
    const auto got = where(text);
    EXPECT_TRUE(got.starts_with("test.yaml:" + place)) << got << "\nexpected at " << place;
  };
  ASSERT_TRUE(parse("listeners: [{listen: \"unix:/a\", service: web}]\n" + services));
  expect("listeners: [{listen: \"unix:/a\", service: api}]\n" + services, "1:13");
  expect("listeners: [{listen: \"unix:/a\", servise: web}]\n" + services, "1:13");
  expect("listeners: [{listen: \"hybrid:/a:5\", service: web}]\n" + services, "1:22");
  expect("listeners: [{listen: nowhere at all, service: web}]\n" + services, "1:22");
  expect("listeners:\n  - listen: unix:/a\n    mode: udp\n    service: web\n" + services, "3:11");
  expect("listeners:\n  - listen: unix:/a\n    routes: [{path: api, service: web}]\n" + services, "3:21");
  expect("listeners:\n  - listen: unix:/a\n    timeouts: {head: soon}\n    service: web\n" + services,
         "3:22");
  expect("listeners:\n  - listen: unix:/a\n    limits: {head: 10}\n    service: web\n" + services, "3:20");
  expect("listeners: [{listen: \"unix:/a\", service: web}]\nservices:\n  web: {backends: []}\n", "3:19");
  expect("listeners: [{listen: \"unix:/a\", service: web}]\nservices:\n  ../x: {backends: [\"unix:/b\"]}\n",
         "3:3");
  expect(
      "listeners: [{listen: \"unix:/a\", service: web}]\nservices:\n  web: {backends: "
      "[\"tcp:localhost:80\"]}\n",
      "3:20");
  expect(
      "listeners: [{listen: \"unix:/a\", service: web}]\nservices:\n  web: {backends: [\"unix:/b\"], canary: "
      "[{percent: 0}]}\n",
      "3:41");
  expect("listeners: []\n" + services, "1:12");
  expect("listeners: [{listen: \"unix:/a\", service: web}]\nservices: 5\n", "2:11");
}

// --- rules ---

TEST_F(gateway_fixture, routes_by_host_path_and_field) {
  server web(named("web")), api(named("api")), beta(named("beta"));
  open(
      one_listener("{header: {x-beta: yes}, service: beta}, {host: example.org, path: /api, service: api}, "
                   "{host: [example.org, '*.example.net'], service: web}",
                   "web: {backends: [\"" + at(web) + "\"]}, api: {backends: [\"" + at(api) +
                       "\"]}, beta: {backends: [\"" + at(beta) + "\"]}"));
  EXPECT_EQ(ask("example.org", "/").body, "web\n");
  EXPECT_EQ(ask("example.org", "/api/x").body, "api\n");
  EXPECT_EQ(ask("a.example.net:80", "/api").body, "web\n");
  EXPECT_EQ(ask("example.org", "/api", "X-Beta: yes\r\n").body, "beta\n");
  EXPECT_EQ(ask("other.org", "/").status, 404U);
  // Each request of one connection has its own way.
  auto c = connect();
  c.send(request("example.org", "/") + request("other.org", "/") + request("example.org", "/api"));
  EXPECT_EQ(c.receive().body, "web\n");
  EXPECT_EQ(c.receive().status, 404U);
  EXPECT_EQ(c.receive().body, "api\n");
}

TEST_F(gateway_fixture, says_who_the_client_is) {
  server web(named("web"));
  const auto service = "web: {backends: [\"" + at(web) + "\"]}";
  const std::string claims =
      "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-Proto: https\r\n";
  open(one_listener("{service: web}", service, ", accept_proxy: true, forwarded: replace"));
  auto c = connect();
  c.send("PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\n" + request("example.org", "/", claims));
  auto r = c.receive();
  EXPECT_EQ(r.header("Saw-X-Forwarded-For"), "192.0.2.7");
  EXPECT_EQ(r.header("Saw-X-Forwarded-Proto"), "http");
  EXPECT_EQ(r.header("Saw-X-Forwarded-Host"), "example.org");
  EXPECT_EQ(r.header("Saw-Forwarded"), "for=192.0.2.7;host=\"example.org\";proto=http");
  // The header may come in pieces, and one connection keeps its client.
  auto slow = connect();
  slow.send("PROXY TCP6 2001:db8::7 2001:");
  slow.send("db8::8 1 80\r");
  slow.send("\n" + request("example.org", "/"));
  EXPECT_EQ(slow.receive().header("Saw-Forwarded"), "for=\"[2001:db8::7]\";host=\"example.org\";proto=http");
  slow.send(request("example.org", "/"));
  EXPECT_EQ(slow.receive().header("Saw-X-Forwarded-For"), "2001:db8::7");
  auto without = connect();
  without.send(request("example.org", "/"));
  EXPECT_TRUE(without.at_end());
}

TEST_F(gateway_fixture, appends_to_what_trusted_proxies_say) {
  server web(named("web"));
  open(one_listener("{service: web}", "web: {backends: [\"" + at(web) + "\"]}",
                    ", accept_proxy: true, forwarded: append"));
  auto c = connect();
  c.send("PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\n" +
         request("a", "/",
                 "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\n"));
  const auto r = c.receive();
  EXPECT_EQ(r.header("Saw-X-Forwarded-For"), "1.1.1.1, 2.2.2.2, 192.0.2.7");
  EXPECT_EQ(r.header("Saw-X-Forwarded-Proto"), "https");
}

TEST_F(gateway_fixture, sends_the_proxy_header_once_for_each_connection) {
  std::mutex mutex;
  std::vector<std::string> first;
  server web([&](client& c) {
    const auto line = c.read_until("\r\n");
    {
      std::lock_guard lock(mutex);
      first.push_back(line);
    }
    named("web")(c);
  });
  open(one_listener("{service: web}", "web: {send_proxy: v1, backends: [\"" + at(web) + "\"]}",
                    ", accept_proxy: true"));
  auto c = connect();
  c.send("PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\n");
  for (int i = 0; i < 2; ++i) {
    c.send(request("a", "/"));
    EXPECT_EQ(c.receive().body, "web\n");
  }
  std::lock_guard lock(mutex);
  EXPECT_EQ(first, (std::vector<std::string>(2, "PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\n")));
}

// --- limits ---

TEST_F(gateway_fixture, a_client_over_its_limit_is_told_and_others_are_not) {
  server web(named("web"));
  open(one_listener("{path: /slow, service: web, client_rate: {per_second: 0.001, burst: 2}}, {service: web}",
                    "web: {backends: [\"" + at(web) + "\"]}", ", accept_proxy: true"));
  const auto as = [&](const std::string& ip, const std::string& path) {
    auto c = connect();
    c.send("PROXY TCP4 " + ip + " 192.0.2.8 4711 80\r\n" + request("a", path));
    return c.receive().status;
  };
  EXPECT_EQ(as("192.0.2.1", "/slow"), 200U);
  EXPECT_EQ(as("192.0.2.1", "/slow"), 200U);
  EXPECT_EQ(as("192.0.2.1", "/slow"), 429U);
  EXPECT_EQ(as("192.0.2.2", "/slow"), 200U);
  EXPECT_EQ(as("192.0.2.1", "/"), 200U);
  EXPECT_EQ(gateway_->listeners()[0].stats.limited, 1U);
}

TEST_F(gateway_fixture, concurrency_is_given_back_however_a_request_ends) {
  std::atomic<bool> hold{true}, answer{false};
  server web([&](client& c) {
    if (!read_request(c)) return;
    while (hold) std::this_thread::sleep_for(1ms);
    if (answer) c.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  open(one_listener("{service: web, concurrency: 1}", "web: {backends: [\"" + at(web) + "\"]}"));
  for (const bool well : {false, true}) {
    hold = true;
    answer = well;
    auto first = connect();
    first.send(request("a", "/"));
    ASSERT_TRUE(eventually([&] { return web.connections() == (well ? 2U : 1U); }));
    EXPECT_EQ(ask("a", "/").status, 429U);
    hold = false;
    EXPECT_EQ(first.receive().status, well ? 200U : 502U);
  }
  EXPECT_EQ(ask("a", "/").status, 200U);
}

// --- backends ---

TEST_F(gateway_fixture, a_dead_backend_costs_no_request) {
  auto dead = std::make_unique<server>(named("dead"));
  server alive(named("alive"));
  open(one_listener("{service: web}", "web: {backends: [\"" + at(*dead) + "\", \"" + at(alive) + "\"]}"));
  std::set<std::string> seen;
  for (int i = 0; i < 40; ++i) seen.insert(ask("a", "/").body);
  EXPECT_EQ(seen.size(), 2U);
  dead->stop();
  for (int i = 0; i < 40; ++i) EXPECT_EQ(ask("a", "/").body, "alive\n");
  // It can be refused, and only then is it left out at once.
  for (const auto& b : backends("web")) {
    EXPECT_EQ(b.ejections != 0, b.where == at(*dead)) << b.where;
  }
  EXPECT_GT(gateway_->listeners()[0].stats.retried, 0U);
}

TEST_F(gateway_fixture, what_may_have_been_executed_is_not_sent_again) {
  std::atomic<int> asked{0};
  const auto dying = [&](client& c) {
    if (read_request(c)) ++asked;  // takes it, and ends without an answer
  };
  server a(dying), b(dying);
  open(one_listener("{service: web}", "web: {retries: 5, backends: [\"" + at(a) + "\", \"" + at(b) + "\"]}"));
  EXPECT_EQ(post("x").status, 502U);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(ask("a", "/").status, 502U);  // may be tried again: five times more
  EXPECT_EQ(asked, 7);
}

TEST_F(gateway_fixture, the_same_key_goes_to_the_same_backend) {
  server a(named("a")), b(named("b")), c(named("c"));
  open(one_listener("{service: web}", "web: {balance: consistent-hash, hash: 'header:X-User', backends: [\"" +
                                          at(a) + "\", \"" + at(b) + "\", \"" + at(c) + "\"]}"));
  std::set<std::string> all;
  for (int user = 0; user < 30; ++user) {
    const auto field = "X-User: " + std::to_string(user) + "\r\n";
    const auto first = ask("a", "/", field).body;
    all.insert(first);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("a", "/", field).body, first);
  }
  EXPECT_EQ(all.size(), 3U);
}

TEST_F(gateway_fixture, a_drained_backend_gets_nothing_new) {
  server a(named("a")), b(named("b"));
  open(one_listener("{service: web}", "web: {backends: [\"" + at(a) + "\", \"" + at(b) + "\"]}"));
  EXPECT_FALSE(gateway_->set_weight("web", "unix:/other", 0));
  ASSERT_TRUE(gateway_->set_weight("web", at(a), 0));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("a", "/").body, "b\n");
  ASSERT_TRUE(gateway_->set_weight("web", at(a), 100));
  EXPECT_TRUE(eventually([&] { return ask("a", "/").body == "a\n"; }));
}

// Alone, and as one of two: the first is counted with its release, the others by themselves.
TEST_F(gateway_fixture, a_drain_ends_with_the_last_request_or_with_its_deadline) {
  for (const bool alone : {true, false}) {
    std::promise<void> go;
    const auto gone = go.get_future().share();
    server slow([gone](client& c) {
      while (read_request(c)) {
        gone.wait();
        if (!c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nslow\n")) return;
      }
    });
    server other(named("other"));
    gateway_.reset();
    open(one_listener("{service: web}", "web: {backends: [\"" + at(slow) + "\"" +
                                            (alone ? "" : ", \"" + at(other) + "\"") + "]}"));
    const auto in_flight = [&] {
      std::uint64_t n = 0;
      for (const auto& b : backends("web")) n += b.where == at(slow) ? b.inflight : 0;
      return n;
    };
    std::vector<client> clients;  // until one of them is with the slow one
    for (int i = 0; i < 50 && in_flight() == 0; ++i) {
      clients.push_back(connect());
      clients.back().send(request("a", "/"));
      pollfd answer{.fd = clients.back().fd(), .events = POLLIN, .revents = 0};
      EXPECT_TRUE(eventually([&] { return in_flight() != 0 || ::poll(&answer, 1, 0) == 1; }));
    }
    EXPECT_EQ(in_flight(), 1U);
    const auto drain = [&](std::chrono::nanoseconds deadline) {
      auto p = std::make_shared<std::promise<result<std::uint64_t>>>();
      gateway_->drain("web", at(slow), deadline, [p](result<std::uint64_t> left) { p->set_value(left); });
      return p->get_future();
    };
    EXPECT_EQ(drain(std::chrono::milliseconds(1)).get().value(), 1U);
    auto whole = drain(std::chrono::minutes(1));
    go.set_value();
    EXPECT_EQ(whole.get().value(), 0U);
    EXPECT_EQ(clients.back().receive().body, "slow\n");
    EXPECT_EQ(drain(std::chrono::minutes(1)).get().value(), 0U);  // nothing is there any more
  }
  std::promise<result<std::uint64_t>> unknown;
  gateway_->drain("web", "unix:/other", {}, [&](result<std::uint64_t> r) { unknown.set_value(r); });
  EXPECT_EQ(unknown.get_future().get().error().code, osvm::errc::not_found);
}

TEST_F(gateway_fixture, the_health_check_takes_a_backend_out_and_in_again) {
  std::atomic<bool> well{true};
  server a([&](client& c) {
    while (const auto r = read_request(c)) {
      const bool bad = r->has("osvm-probe") && !well;
      if (!c.send(std::string("HTTP/1.1 ") + (bad ? "500 No" : "200 OK") +
                  "\r\nContent-Length: 2\r\n\r\na\n"))
        return;
    }
  });
  server b(named("b"));
  open(one_listener("{service: web}",
                    "web: {health: {path: /healthz, interval: 5ms, fall: 2, rise: 2}, backends: [\"" + at(a) +
                        "\", \"" + at(b) + "\"]}"));
  const auto down = [&] {
    for (const auto& s : backends("web")) {
      if (s.where == at(a)) return s.down;
    }
    return false;
  };
  well = false;
  ASSERT_TRUE(eventually(down));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("a", "/").body, "b\n");
  well = true;
  EXPECT_TRUE(eventually([&] { return !down(); }));
}

// --- JSON-RPC ---

server::script node(std::string name, std::atomic<std::uint64_t>& slot) {
  return [name, &slot](client& c) {
    while (const auto r = read_request(c)) {
      const bool probe = r->has("osvm-probe");
      const auto body = probe ? R"({"jsonrpc":"2.0","result":)" + std::to_string(slot) + ",\"id\":1}" : name;
      if (!c.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body))
        return;
    }
  };
}

TEST_F(gateway_fixture, rpc_methods_choose_the_service) {
  std::atomic<std::uint64_t> slot{5};
  server main(node("main", slot)), history(node("history", slot));
  open(one_listener(
      "{service: main, rpc: {max_body: 4KiB, max_batch: 2, classes: [{methods: [getBlock, "
      "'getTransaction*'], service: "
      "history, retry: true}]}}",
      "main: {backends: [\"" + at(main) + "\"]}, history: {backends: [\"" + at(history) + "\"]}"));
  EXPECT_EQ(post(R"({"method":"getBlock","params":[5]})").body, "history");
  EXPECT_EQ(post(R"({"method":"getSlot"})").body, "main");
  EXPECT_EQ(post(R"([{"method":"getBlock"},{"method":"getTransaction"}])").body, "history");
  EXPECT_EQ(post(R"([{"method":"getBlock"},{"method":"getSlot"}])").body, "main");
  EXPECT_EQ(post(R"([{"method":"a"},{"method":"b"},{"method":"c"}])").status, 413U);
  EXPECT_EQ(post("nonsense").status, 400U);
  EXPECT_EQ(post(R"({"method":"getBlock","method":"getSlot"})").status, 400U);
  EXPECT_EQ(post(R"({"method":"x","p":")" + std::string(5000, 'x') + "\"}").status, 413U);
  EXPECT_EQ(ask("a", "/").body, "main");
  // In chunks, and in pieces; what is passed on is whole.
  auto c = connect();
  c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"method\"\r\n");
  c.send("b\r\n:\"getBlock\"\r\n1\r\n}\r\n0\r\n\r\n" + request("a", "/"));
  EXPECT_EQ(c.receive().body, "history");
  EXPECT_EQ(c.receive().body, "main");
}

TEST_F(gateway_fixture, only_methods_that_change_nothing_are_tried_again) {
  std::atomic<int> asked{0};
  const auto dying = [&](client& c) {
    if (read_request(c)) ++asked;
  };
  server a(dying), b(dying);
  open(one_listener("{service: main, rpc: {classes: [{methods: ['get*'], retry: true}]}}",
                    "main: {retries: 1, backends: [\"" + at(a) + "\", \"" + at(b) + "\"]}"));
  EXPECT_EQ(post(R"({"method":"sendTransaction","params":["x"]})").status, 502U);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(post(R"([{"method":"getSlot"},{"method":"sendTransaction"}])").status, 502U);
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(post(R"({"method":"getSlot"})").status, 502U);
  EXPECT_EQ(asked, 4);
}

TEST_F(gateway_fixture, a_node_that_is_behind_gets_nothing) {
  std::atomic<std::uint64_t> here{1000}, there{1000};
  server a(node("a", here)), b(node("b", there));
  open(one_listener("{service: main}", "main: {height: {behind: 10, interval: 5ms}, backends: [\"" + at(a) +
                                           "\", \"" + at(b) + "\"]}"));
  const auto behind = [&](const server& which) {
    for (const auto& s : backends("main")) {
      if (s.where == at(which)) return s.behind;
    }
    return false;
  };
  there = 1011;
  ASSERT_TRUE(eventually([&] { return behind(a); }));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("a", "/").body, "b");
  here = 1005;
  EXPECT_TRUE(eventually([&] { return !behind(a); }));
  EXPECT_FALSE(behind(b));
}

TEST(height, is_the_number_of_the_result) {
  using hotswap::detail::number_of_answer;
  EXPECT_EQ(number_of_answer(R"({"jsonrpc":"2.0","result" : 42,"id":1})"), 42U);
  EXPECT_EQ(number_of_answer(R"({"result":"42"})"), std::nullopt);
  EXPECT_EQ(number_of_answer(R"({"error":{}})"), std::nullopt);
  EXPECT_EQ(number_of_answer(R"({"result":99999999999999999999})"), std::nullopt);
  EXPECT_EQ(number_of_answer(R"({"result")"), std::nullopt);
}

// --- log, metrics ---

TEST_F(gateway_fixture, each_request_is_one_line_of_the_log) {
  std::mutex mutex;
  std::string lines;
  server web(named("web"));
  open(one_listener("{path: /x, service: web}", "web: {release: v7, backends: [\"" + at(web) + "\"]}"),
       [&](std::string_view text) {
         std::lock_guard lock(mutex);
         lines += text;
       });
  ASSERT_EQ(ask("a", "/x?q=\"1\"").status, 200U);
  ASSERT_EQ(ask("a", "/y").status, 404U);
  const auto count = [&] {
    std::lock_guard lock(mutex);
    return std::count(lines.begin(), lines.end(), '\n');
  };
  ASSERT_TRUE(eventually([&] { return count() == 2; }));
  std::lock_guard lock(mutex);
  EXPECT_NE(
      lines.find(
          R"("method":"GET","host":"a","path":"/x?q=\"1\"","status":200,"service":"web","release":"v7")"),
      std::string::npos)
      << lines;
  EXPECT_NE(lines.find(R"("path":"/y","status":404)"), std::string::npos) << lines;
}

TEST_F(gateway_fixture, metrics_have_listeners_services_and_backends) {
  server web(named("web"));
  open(one_listener("{service: web}", "web: {backends: [\"" + at(web) + "\"]}", ", name: door"));
  ASSERT_EQ(ask("a", "/").status, 200U);
  const auto has = [&](const std::string& line) {
    return eventually([&] { return gateway_->metrics().find(line + "\n") != std::string::npos; });
  };
  EXPECT_TRUE(has("osvm_proxy_answered_total{listener=\"door\"} 1"));
  const auto labels = "{service=\"web\",release=\"config\",backend=\"" + at(web) + "\"}";
  EXPECT_TRUE(has("osvm_proxy_backend_requests_total" + labels + " 1"));
  EXPECT_TRUE(has("osvm_proxy_backend_usable" + labels + " 1"));
  EXPECT_TRUE(has("osvm_proxy_backend_inflight" + labels + " 0"));
}

// --- releases and reload ---

TEST_F(gateway_fixture, a_shift_and_back) {
  server v1(named("v1")), v2(named("v2"));
  open(one_listener("{service: web}", "web: {release: v1, backends: [\"" + at(v1) + "\"]}"));
  const auto r = shift("web", "v2", v2);
  ASSERT_TRUE(r) << r.error().to_string();
  EXPECT_EQ(r->state, release_state::active);
  EXPECT_EQ(r->replaced, "v1");
  EXPECT_EQ(ask("a", "/").body, "v2\n");
  std::promise<result<shift_report>> p;
  gateway_->rollback("web", [&](result<shift_report> b) { p.set_value(std::move(b)); });
  ASSERT_TRUE(p.get_future().get());
  EXPECT_EQ(ask("a", "/").body, "v1\n");
  EXPECT_EQ(shift("other", "v2", v2).error().code, osvm::errc::not_found);
}

TEST_F(gateway_fixture, a_release_that_cannot_be_reached_is_rejected) {
  server v1(named("v1")), v2(named("v2"));
  v2.stop();
  open(one_listener("{service: web}",
                    "web: {probe: {kind: tcp, deadline: 100ms}, backends: [\"" + at(v1) + "\"]}"));
  const auto r = shift("web", "v2", v2);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->state, release_state::rejected);
  EXPECT_EQ(ask("a", "/").body, "v1\n");
}

TEST_F(gateway_fixture, goes_on_with_the_release_that_was_active) {
  server v1(named("v1")), v2(named("v2"));
  const auto text = "state: " + dir_ + "/state\n" +
                    one_listener("{service: web}", "web: {release: v1, backends: [\"" + at(v1) + "\"]}");
  open(text);
  ASSERT_TRUE(shift("web", "v2", v2));
  gateway_.reset();
  ASSERT_TRUE(eventually([&] {  // the journal's lock goes with the last of the old one
    auto again = parse(text);
    return again && static_cast<bool>(open_file_store(dir_ + "/state/web.release"));
  }));
  open(text);
  EXPECT_EQ(ask("a", "/").body, "v2\n");
  EXPECT_EQ(gateway_->services()["web"].release.previous, "v1");
}

TEST_F(gateway_fixture, a_reload_loses_no_request) {
  server v1(named("v1")), v2(named("v2")), api(named("api"));
  const auto before = one_listener("{service: web}", "web: {backends: [\"" + at(v1) + "\"]}");
  const auto after = one_listener("{path: /api, service: api}, {service: web}",
                                  "web: {release: v2, backends: [\"" + at(v2) +
                                      "\"]}, api: {balance: random-two, backends: [\"" + at(api) + "\", \"" +
                                      at(api) + "\"]}");
  open(before);
  std::atomic<bool> stop{false};
  std::atomic<int> good{0}, bad{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&, keep = i != 0] {
      auto c = connect();
      while (!stop) {
        if (!keep) c = connect();
        c.send(request("a", "/"));
        const auto r = c.receive();
        (r.status == 200 && r.complete ? good : bad)++;
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    reload(after);
    EXPECT_TRUE(eventually([&] { return ask("a", "/").body == "v2\n"; }));
    EXPECT_EQ(ask("a", "/api").body, "api\n");
    reload(before);
    EXPECT_TRUE(eventually([&] { return ask("a", "/").body == "v1\n"; }));
  }
  stop = true;
  for (auto& t : clients) t.join();
  EXPECT_EQ(bad, 0);
  EXPECT_GT(good, 0);
}

TEST_F(gateway_fixture, a_reload_that_cannot_be_is_refused_as_a_whole) {
  server v1(named("v1"));
  const auto service = "web: {backends: [\"" + at(v1) + "\"]}";
  open(one_listener("{service: web}", service));
  auto other = parse(one_listener("{service: web}", service, ", forwarded: append"));
  ASSERT_TRUE(other);
  const auto r = gateway_->reload(std::move(*other));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, osvm::errc::unsupported);
  EXPECT_EQ(ask("a", "/").body, "v1\n");
}

// --- L4 ---

TEST_F(gateway_fixture, tcp_listeners_try_the_next_backend_and_say_who_the_client_is) {
  auto dead = std::make_unique<server>([](client&) {});
  server echo([](client& c) {
    const auto line = c.read_until("\n");
    c.read(4);  // what is not read would turn the end into a reset
    c.send("got " + line);
  });
  open("listeners: [{listen: \"" + front() +
       "\", mode: tcp, accept_proxy: true, service: raw}]\nservices: {raw: {send_proxy: v1, "
       "backends: [\"" +
       at(*dead) + "\", \"" + at(echo) + "\"]}}\n");
  dead->stop();
  for (int i = 0; i < 6; ++i) {
    auto c = connect();
    c.send("PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\nrest");
    EXPECT_EQ(c.read_until("\n"), "got PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\n");
  }
}

}  // namespace
}  // namespace osvm::test
