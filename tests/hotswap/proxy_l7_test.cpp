// The HTTP proxy against real in-process servers: what passes, what is refused, what is retried.
#include "hotswap/support/fixture.hpp"

namespace osvm::test {
namespace {

using namespace hotswap;

class proxy_l7 : public proxy_fixture {};

TEST_F(proxy_l7, passes_requests_on_and_keeps_both_sides_alive) {
  server backend(release_script("v1"));
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  for (int i = 0; i < 20; ++i) {
    const auto r = c.get("/", "X-Osvm-Nonce: n" + std::to_string(i) + "\r\n");
    ASSERT_EQ(r.status, 200U);
    EXPECT_EQ(r.body, "hello v1\n");
    EXPECT_EQ(r.header("X-Osvm-Nonce"), "n" + std::to_string(i));
  }
  EXPECT_EQ(backend.connections(), 1U);
  // Counted when the last byte has been passed on, so perhaps just after the client has it.
  EXPECT_TRUE(eventually([&] { return stats().answered == 20; }));
  EXPECT_EQ(stats().accepted, 1U);
}

TEST_F(proxy_l7, answers_503_without_a_release_and_keeps_the_connection) {
  start(proxy_mode::l7);
  auto c = connect();
  auto r = c.get("/");
  EXPECT_EQ(r.status, 503U);
  EXPECT_NE(r.body.find("no release is active"), std::string::npos);
  server backend(release_script("v1"));
  route_to("v1", backend.where());
  EXPECT_EQ(c.get("/").status, 200U);
  EXPECT_EQ(stats().no_release, 1U);
}

TEST_F(proxy_l7, answers_503_when_the_release_cannot_be_reached) {
  start(proxy_mode::l7);
  route_to("gone", unix_endpoint{"/tmp/osvm-no-such-socket"});
  auto c = connect();
  EXPECT_EQ(c.get("/").status, 503U);
  EXPECT_EQ(c.get("/").status, 503U);
  EXPECT_EQ(stats().connect_failed, 2U);
}

TEST_F(proxy_l7, many_pipelined_requests_to_a_dead_release_are_all_answered) {
  start(proxy_mode::l7);
  route_to("gone", unix_endpoint{"/tmp/osvm-no-such-socket"});
  auto c = connect();
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
  std::thread sender([&] { c.send(many); });
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(c.receive().status, 503U) << i;
  sender.join();
}

TEST_F(proxy_l7, pipelined_requests_are_answered_in_order) {
  server backend([](client& c) {
    while (const auto r = read_request(c)) {
      const auto line = r->line();
      c.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(line.size()) + "\r\n\r\n" + line);
    }
  });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  std::string all;
  for (int i = 0; i < 50; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: t\r\n\r\n";
  c.send(all);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(c.receive().body, "GET /" + std::to_string(i) + " HTTP/1.1");
}

// What the release was sent, as it came.
class recorder {
 public:
  server::script script() {
    return [this](client& c) {
      while (const auto r = read_request(c)) {
        {
          std::lock_guard lock(mutex_);
          requests_.push_back(*r);
        }
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      }
    };
  }
  std::vector<seen_request> requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  std::mutex mutex_;
  std::vector<seen_request> requests_;
};

TEST_F(proxy_l7, hop_by_hop_fields_stay_on_their_hop) {
  recorder rec;
  server backend(rec.script());
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  const auto r = c.get("/",
                       "Connection: X-Gone, close\r\nX-Gone: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n"
                       "Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Stays: 2\r\n");
  EXPECT_EQ(r.status, 200U);
  EXPECT_EQ(r.header("Connection"), "close");
  EXPECT_TRUE(c.at_end());
  ASSERT_EQ(rec.requests().size(), 1U);
  const auto seen = rec.requests()[0];
  for (const char* gone : {"X-Gone", "Connection", "Keep-Alive", "TE", "Proxy-Connection", "Upgrade"}) {
    EXPECT_EQ(seen.header(gone), "") << gone;
  }
  EXPECT_EQ(seen.header("X-Stays"), "2");
}

TEST_F(proxy_l7, absolute_form_becomes_origin_form_with_its_host) {
  recorder rec;
  server backend(rec.script());
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  c.send("GET http://right.example/x HTTP/1.1\r\nHost: wrong.example\r\n\r\n");
  EXPECT_EQ(c.receive().status, 200U);
  const auto seen = rec.requests().at(0);
  EXPECT_EQ(seen.line(), "GET /x HTTP/1.1");
  EXPECT_EQ(seen.header("Host"), "right.example");
  EXPECT_FALSE(seen.has("wrong.example"));
}

TEST_F(proxy_l7, request_bodies_pass_in_both_framings) {
  recorder rec;
  server backend(rec.script());
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  const std::string big(300'000, 'x');
  c.send("POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(big.size()) + "\r\n\r\n" + big);
  EXPECT_EQ(c.receive().status, 200U);
  c.send(
      "POST /b HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n6\r\n "
      "world\r\n0\r\nT: 1\r\n\r\n");
  EXPECT_EQ(c.receive().status, 200U);
  const auto seen = rec.requests();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].body, big);
  EXPECT_EQ(seen[1].body, "hello world");
  EXPECT_EQ(seen[1].header("Transfer-Encoding"), "chunked");
}

TEST_F(proxy_l7, a_large_response_streams_with_a_bounded_proxy) {
  constexpr std::size_t size = 32 << 20;
  server backend([](client& c) {
    if (!read_request(c)) return;
    c.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
    const std::string block(1 << 20, 'y');
    for (int i = 0; i < 32; ++i) c.send(block);
  });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  const auto r = c.get("/");
  EXPECT_TRUE(r.complete);
  EXPECT_EQ(r.body.size(), size);
}

TEST_F(proxy_l7, chunked_and_until_close_responses_arrive_whole) {
  server backend([](client& c) {
    while (const auto r = read_request(c)) {
      if (r->has("/chunked")) {
        c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        c.send("4;x\r\ndefg\r\n0\r\n\r\n");
      } else {
        c.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
        return;
      }
    }
  });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  EXPECT_EQ(c.get("/chunked").body, "abcdefg");
  const auto r = c.get("/close");
  EXPECT_TRUE(r.complete);
  EXPECT_EQ(r.body, "until the end");
  EXPECT_EQ(r.header("Transfer-Encoding"), "chunked");  // so the client's connection lives on
  EXPECT_EQ(c.get("/chunked").body, "abcdefg");
}

TEST_F(proxy_l7, http_1_0_clients_get_what_they_understand) {
  server backend([](client& c) {
    while (read_request(c)) {
      c.send(
          "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
          "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    }
  });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  c.send("GET / HTTP/1.0\r\n\r\n");
  const auto all = c.read_all();
  EXPECT_EQ(all.find("HTTP/1.1 200 OK\r\n"), 0U) << all;
  EXPECT_EQ(all.find("chunked"), std::string::npos);
  EXPECT_EQ(all.substr(all.size() - 3), "abc");
}

TEST_F(proxy_l7, head_and_304_have_no_body) {
  server backend([](client& c) {
    while (const auto r = read_request(c)) {
      if (r->line().find("HEAD") == 0) {
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
      } else {
        c.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n");
      }
    }
  });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  c.send("HEAD / HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_EQ(c.receive(true).header("Content-Length"), "500");
  EXPECT_EQ(c.get("/").status, 304U);
  EXPECT_EQ(backend.connections(), 1U);
}

TEST_F(proxy_l7, expect_100_continue_goes_through) {
  server backend([](client& c) {
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
      const auto b = c.read(1);
      if (b.empty()) return;
      head += b;
    }
    c.send("HTTP/1.1 100 Continue\r\n\r\n");
    const auto body = c.read(5);
    c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body);
  });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  c.send("POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(c.receive().status, 100U);
  c.send("hello");
  EXPECT_EQ(c.receive().body, "hello");
}

TEST_F(proxy_l7, an_upgrade_turns_into_a_tunnel_and_h2c_does_not) {
  server backend([](client& c) {
    const auto r = read_request(c);
    if (!r) return;
    if (r->header("Upgrade") != "echo") {
      c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
      return;
    }
    c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst");
    for (auto b = c.read(1); !b.empty(); b = c.read(1)) c.send(b);
  });
  start(proxy_mode::l7);
  const auto g = route_to("v1", backend.where());
  auto c = connect();
  c.send("GET / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
  EXPECT_EQ(c.receive().status, 101U);
  EXPECT_EQ(c.read(5), "first");
  c.send("ping");
  EXPECT_EQ(c.read(4), "ping");
  EXPECT_EQ(proxy_->release(g)->inflight, 1U);
  c.shut_down();
  EXPECT_TRUE(c.at_end());
  EXPECT_TRUE(eventually([&] { return proxy_->release(g)->inflight == 0; }));

  auto d = connect();
  d.send("GET / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
  EXPECT_EQ(d.receive().body, "no");
}

TEST_F(proxy_l7, refuses_what_could_be_read_in_two_ways_and_never_shows_it_to_the_release) {
  recorder rec;
  server backend(rec.script());
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  const std::pair<std::string, unsigned> attacks[] = {
      {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET "
       "/evil HTTP/1.1\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\nabcd", 400},
      {"GET / HTTP/1.1\r\nHost: t\r\nX: y\nContent-Length: 50\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: t\r\nX: a\r b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: t\r\n folded: 1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/3.0\r\nHost: t\r\n\r\n", 505},
      {"CONNECT t:1 HTTP/1.1\r\nHost: t\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"\x16\x03\x01\x02\x01\r\n\r\n", 400},
  };
  for (const auto& [text, status] : attacks) {
    auto c = connect();
    c.send(text);
    const auto r = c.receive();
    EXPECT_EQ(r.status, status) << text;
    EXPECT_EQ(r.header("Connection"), "close");
    EXPECT_TRUE(c.at_end()) << text;
  }
  EXPECT_TRUE(rec.requests().empty());
  EXPECT_EQ(stats().bad_requests, std::size(attacks));
}

TEST_F(proxy_l7, a_bad_chunk_ends_the_request_for_client_and_release) {
  std::atomic<bool> cut = false;
  server backend([&](client& c) {
    const auto r = read_request(c);
    cut = !r;
  });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  c.send("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX");
  EXPECT_EQ(c.receive().status, 400U);
  EXPECT_TRUE(eventually([&] { return cut.load(); }));
}

TEST_F(proxy_l7, header_bombs_are_refused_and_pass_when_the_bound_is_raised) {
  recorder rec;
  server backend(rec.script());
  const std::string large = "X: " + std::string(60'000, 'a') + "\r\n";
  std::string many;
  for (int i = 0; i < 200; ++i) many += "X" + std::to_string(i) + ": y\r\n";
  const std::string far = "/" + std::string(20'000, 'u');
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  EXPECT_EQ(connect().get("/", large).status, 431U);
  EXPECT_EQ(connect().get("/", many).status, 431U);
  EXPECT_EQ(connect().get(far).status, 414U);
  EXPECT_TRUE(rec.requests().empty());

  TearDown();
  proxy_options o;
  o.limits.max_head = 100'000;
  o.limits.max_fields = 250;
  o.limits.max_target = 30'000;
  start(o);
  route_to("v1", backend.where());
  EXPECT_EQ(connect().get("/", large).status, 200U);
  EXPECT_EQ(connect().get("/", many).status, 200U);
  EXPECT_EQ(connect().get(far).status, 200U);
}

TEST_F(proxy_l7, large_bodies_are_refused_in_both_framings_and_pass_when_the_bound_is_raised) {
  recorder rec;
  server backend(rec.script());
  const std::string by_length =
      "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 20\r\n\r\n" + std::string(20, 'x');
  const std::string by_chunks = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" +
                                std::string(20, 'x') + "\r\n0\r\n\r\n";
  for (const std::uint64_t bound : {10U, 20U}) {
    proxy_options o;
    o.limits.max_body = bound;
    start(o);
    route_to("v1", backend.where());
    for (const auto& text : {by_length, by_chunks}) {
      auto c = connect();
      c.send(text);
      EXPECT_EQ(c.receive().status, bound == 10 ? 413U : 200U);
    }
    TearDown();
  }
  EXPECT_EQ(rec.requests().size(), 2U);
}

TEST_F(proxy_l7, a_slow_head_times_out_and_may_take_longer_when_allowed) {
  server backend(release_script("v1"));
  for (const auto limit : {150ms, 3'000ms}) {
    proxy_options o;
    o.timeouts.head = limit;
    start(o);
    route_to("v1", backend.where());
    auto c = connect();
    const std::string text = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
    for (const char byte : text) {
      if (!c.send({&byte, 1})) break;
      std::this_thread::sleep_for(20ms);
    }
    const auto r = c.receive();
    EXPECT_EQ(r.status, limit == 150ms ? 408U : 200U);
    TearDown();
  }
}

TEST_F(proxy_l7, a_release_that_accepts_and_never_answers_gives_504) {
  server backend([](client& c) {
    while (read_request(c)) {
    }
  });
  proxy_options o;
  o.timeouts.response = 100ms;
  start(o);
  const auto g = route_to("v1", backend.where());
  EXPECT_EQ(connect().get("/").status, 504U);
  EXPECT_EQ(stats().upstream_timeouts, 1U);
  EXPECT_EQ(proxy_->release(g)->failures, 1U);
  EXPECT_EQ(proxy_->release(g)->inflight, 0U);
}

TEST_F(proxy_l7, a_release_that_dies_in_a_body_truncates_visibly) {
  server backend([](client& c) {
    const auto r = read_request(c);
    if (r) c.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
  });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  const auto r = c.get("/");
  EXPECT_EQ(r.status, 200U);
  EXPECT_FALSE(r.complete);
  EXPECT_TRUE(c.reset());
  EXPECT_EQ(stats().truncated, 1U);
}

TEST_F(proxy_l7, invalid_responses_give_502) {
  for (const std::string text :
       {"garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "HTTP/1.1 101 Switching Protocols\r\n\r\n"}) {
    server backend([&](client& c) {
      if (read_request(c)) c.send(text);
    });
    start(proxy_mode::l7);
    route_to("v1", backend.where());
    EXPECT_EQ(connect().get("/").status, 502U) << text;
    EXPECT_EQ(stats().upstream_invalid, 1U);
    TearDown();
  }
}

// A release that closes its kept-alive connection when the next request arrives on it.
server::script closes_when_reused(std::atomic<int>& executed) {
  return [&executed](client& c) {
    if (!read_request(c)) return;
    ++executed;
    c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    (void)c.read(1, 10s);  // the next request is here: close without a word
  };
}

TEST_F(proxy_l7, retries_an_idempotent_request_when_a_kept_connection_ends_without_an_answer) {
  std::atomic<int> executed = 0;
  server backend(closes_when_reused(executed));
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  for (int i = 0; i < 10; ++i) ASSERT_EQ(c.get("/").status, 200U) << i;
  EXPECT_EQ(executed, 10);
  EXPECT_EQ(stats().retried, 9U);
  EXPECT_EQ(stats().failed(), 0U);
}

TEST_F(proxy_l7, never_retries_what_may_have_been_executed) {
  std::atomic<int> executed = 0;
  server backend(closes_when_reused(executed));
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  const std::string post = "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi";
  c.send(post);
  EXPECT_EQ(c.receive().status, 200U);
  c.send(post);
  EXPECT_EQ(c.receive().status, 502U);
  EXPECT_EQ(stats().retried, 0U);
  EXPECT_EQ(executed, 1);
}

TEST_F(proxy_l7, a_fresh_connection_that_ends_without_an_answer_is_not_retried) {
  server backend([](client& c) { read_request(c); });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  EXPECT_EQ(connect().get("/").status, 502U);
  EXPECT_EQ(backend.connections(), 1U);
}

TEST_F(proxy_l7, post_uses_no_connection_that_has_ended_already) {
  server backend([](client& c) {  // one request per connection, closed in order
    if (const auto r = read_request(c)) c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  for (int i = 0; i < 20; ++i) {
    c.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi");
    ASSERT_EQ(c.receive().status, 200U);
    ASSERT_TRUE(eventually([&] { return backend.closed() == backend.connections(); }));
  }
}

TEST_F(proxy_l7, an_early_answer_reaches_the_client_though_it_still_sends) {
  server backend([](client& c) {
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
      const auto b = c.read(1);
      if (b.empty()) return;
      head += b;
    }
    c.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    c.read(1 << 20, 2s);
  });
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  c.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\nbegin");
  const auto r = c.receive();
  EXPECT_EQ(r.status, 413U);
  EXPECT_EQ(r.body, "no");
  EXPECT_EQ(r.header("Connection"), "close");
  EXPECT_TRUE(c.at_end());
}

TEST_F(proxy_l7, a_client_that_leaves_frees_the_release) {
  std::atomic<int> ended = 0;
  server backend([&](client& c) {
    if (read_request(c) && c.at_end(5s)) ++ended;
  });
  start(proxy_mode::l7);
  const auto g = route_to("v1", backend.where());
  auto c = connect();
  c.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return proxy_->release(g)->inflight == 1; }));
  c.abort();
  EXPECT_TRUE(eventually([&] { return ended == 1; }));
  EXPECT_TRUE(eventually([&] { return stats().client_aborted == 1 && proxy_->release(g)->inflight == 0; }));
}

TEST_F(proxy_l7, a_half_closed_client_still_gets_its_answer) {
  server backend(release_script("v1"));
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  c.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  c.shut_down();
  EXPECT_EQ(c.receive().body, "hello v1\n");
  EXPECT_TRUE(c.at_end());
}

TEST_F(proxy_l7, an_empty_line_before_a_request_is_ignored_once) {
  server backend(release_script("v1"));
  start(proxy_mode::l7);
  route_to("v1", backend.where());
  auto c = connect();
  c.send("\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_EQ(c.receive().status, 200U);
  c.send("\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_EQ(c.receive().status, 400U);
}

TEST_F(proxy_l7, connections_over_the_limit_are_refused_and_counted) {
  server backend(release_script("v1"));
  proxy_options o;
  o.max_connections = 2;
  start(o);
  route_to("v1", backend.where());
  auto a = connect(), b = connect();
  EXPECT_EQ(a.get("/").status, 200U);
  EXPECT_EQ(b.get("/").status, 200U);
  EXPECT_TRUE(connect().at_end());
  EXPECT_EQ(stats().refused, 1U);
  a.close();
  EXPECT_TRUE(eventually([&] { return stats().active == 1; }));
  EXPECT_EQ(connect().get("/").status, 200U);
}

}  // namespace
}  // namespace osvm::test
