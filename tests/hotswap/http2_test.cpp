// HTTP/2 to clients: curl and h2load as people use them, and a client that breaks the rules by hand.
#include "hotswap/support/http2.hpp"
#include "hotswap/support/fixture.hpp"
#include "hotswap/support/tls.hpp"

#include <future>

namespace osvm::test {
namespace {

using namespace hotswap;

class http2_fixture : public proxy_fixture {
 protected:
  void SetUp() override {
    for (const auto* p : {"curl", "h2load", "nghttp"}) {
      ASSERT_TRUE(has_program(p)) << p << " is missing (tools/dev/packages.txt)";
    }
    dir_ = temp_folder();
  }
  void TearDown() override {
    proxy_fixture::TearDown();
    std::filesystem::remove_all(dir_);
  }
  void serve(proxy_options o = {}) {
    o.http2_clear_text = true;
    proxy_.reset();
    start(std::move(o));
  }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(std::get<tcp_endpoint>(proxy_->local_endpoint()).port) + "/";
  }
  std::string curl(const std::string& more) const {
    return "curl -sS -m 30 --http2-prior-knowledge " + more + " " + url();
  }
  std::string file(const std::string& name) const { return dir_ + "/" + name; }
  // A request with fields of that size, each in a frame of its own.
  static void fields_of_size(http2_client& c, std::uint32_t stream, std::size_t size, int count) {
    c.send(http2_client::headers, http2_client::end_stream, stream,
           http2_client::block(http2_client::get("/")));
    for (int i = 0; i < count; ++i) {
      const auto last = i + 1 == count ? http2_client::end_headers : std::uint8_t{0};
      c.send(http2_client::continuation, last, stream, http2_client::block({{"x", std::string(size, 'x')}}));
    }
  }

  std::string dir_;
};

TEST_F(http2_fixture, curl_is_served_by_name_and_by_prior_knowledge) {
  authority ca(dir_);
  ca.issue("web", "IP:127.0.0.1");
  proxy_options o;
  o.tls = tls_termination{.certificates = {{text_of(file("web.pem")), text_of(file("web.key"))}}};
  o.forwarded = forwarded_mode::replace;
  serve(o);
  server release([](client& c) {
    while (const auto r = read_request(c)) {
      const auto body = r->line() + "|" + r->header("Host") + "|" + r->header("X-Forwarded-Proto") + "|" +
                        r->header("Cookie");
      c.send("HTTP/1.1 200 OK\r\nX-Mixed-Case: kept\r\nConnection: keep-alive\r\nContent-Length: " +
             std::to_string(body.size()) + "\r\n\r\n" + body);
    }
  });
  route_to("v1", release.where());
  const auto port = std::to_string(std::get<tcp_endpoint>(proxy_->local_endpoint()).port);
  const auto r =
      run("curl -sS -i --http2 -b 'a=1; b=2' --cacert " + ca.file() + " https://127.0.0.1:" + port + "/x?y");
  EXPECT_EQ(r.status, 0) << r.text;
  EXPECT_TRUE(r.has("HTTP/2 200")) << r.text;
  EXPECT_TRUE(r.has("x-mixed-case: kept")) << r.text;
  EXPECT_FALSE(r.has("keep-alive")) << r.text;
  EXPECT_TRUE(r.has("GET /x?y HTTP/1.1|127.0.0.1:" + port + "|https|a=1; b=2")) << r.text;
  serve();
  route_to("v1", release.where());
  EXPECT_TRUE(run(curl("-i")).has("HTTP/2 200"));
}

TEST_F(http2_fixture, bodies_of_every_kind) {
  serve();
  server release([](client& c) {
    while (const auto r = read_request(c)) {
      const auto path = r->line().substr(0, r->line().rfind(' '));
      if (path == "GET /chunked") {
        c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        c.send("7\r\n, world\r\n0\r\n\r\n");
      } else if (path == "GET /close") {
        c.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
        return;
      } else if (path == "GET /none") {
        c.send("HTTP/1.1 204 No Content\r\n\r\n");
      } else if (path == "HEAD /") {
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n");
      } else if (path == "GET /early") {
        c.send(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal");
      } else {
        c.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(r->body.size()) + "\r\n\r\n" + r->body);
      }
    }
  });
  route_to("v1", release.where());
  EXPECT_EQ(run(curl("") + "chunked").text, "hello, world");
  EXPECT_EQ(run(curl("") + "close").text, "until the end");
  EXPECT_TRUE(run(curl("-i") + "none").has("HTTP/2 204"));
  EXPECT_TRUE(run(curl("-I")).has("content-length: 77"));
  const auto early = run(curl("-i") + "early");
  EXPECT_TRUE(early.has("HTTP/2 103") && early.has("link: </a>") && early.has("real")) << early.text;
  // With and without a length; the test's server is slow with chunks.
  for (const auto& [size, how] :
       {std::pair(3U << 20, "-H Expect:"), std::pair(200'000U, "-H Expect: -H Content-Length:")}) {
    std::string big;
    for (std::uint32_t i = 0; big.size() < size; ++i) big += std::to_string(i * 2654435761U);
    std::ofstream(file("big"), std::ios::binary) << big;
    const auto r = run(curl(std::string(how) + " -o " + file("back") + " --data-binary @" + file("big")));
    EXPECT_EQ(r.status, 0) << r.text;
    EXPECT_TRUE(text_of(file("back")) == big) << how;
  }
  EXPECT_EQ(stats().failed(), 0U);
}

TEST_F(http2_fixture, many_requests_at_a_time_across_shifts) {
  serve();
  server v1(release_script("v1")), v2(release_script("v2"));
  route_to("v1", v1.where());
  auto load = std::async(std::launch::async, [&] { return run("h2load -n 6000 -c 3 -m 20 " + url()); });
  while (load.wait_for(5ms) != std::future_status::ready) {
    route_to("v2", v2.where());
    route_to("v1", v1.where());
  }
  const auto r = load.get();
  EXPECT_TRUE(r.has("6000 succeeded, 0 failed, 0 errored, 0 timeout")) << r.text;
  EXPECT_TRUE(r.has("status codes: 6000 2xx")) << r.text;
  EXPECT_EQ(stats().answered, 6000U);
}

TEST_F(http2_fixture, a_client_that_leaves_ends_its_request_only) {
  serve();
  std::atomic<int> open{0};
  server release([&](client& c) {
    while (const auto r = read_request(c)) {
      if (!r->has("/endless")) {
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        continue;
      }
      ++open;
      c.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
      c.read_all(20s);
      --open;
      return;
    }
  });
  route_to("v1", release.where());
  http2_client c(connect());
  c.ask(1, http2_client::get("/endless"));
  EXPECT_EQ(c.outcome(1), "200");
  EXPECT_TRUE(c.wait_for(http2_client::data, 1).payload == "data: 1\n\n");  // at once, not when it is full
  EXPECT_EQ(open, 1);
  c.send(http2_client::rst_stream, 0, 1, std::string("\0\0\0\x8", 4));
  EXPECT_TRUE(eventually([&] { return open == 0; }));
  c.ask(3, http2_client::get("/"));
  EXPECT_EQ(c.outcome(3), "200");
  c.ask(5, http2_client::get("/endless"));
  EXPECT_EQ(c.outcome(5), "200");
  EXPECT_TRUE(eventually([&] { return open == 1; }));
  c.below().close();
  EXPECT_TRUE(eventually([&] { return open == 0 && stats().active == 0; }));
}

TEST_F(http2_fixture, what_would_be_another_request_as_text_is_refused) {
  serve();
  std::atomic<int> seen{0};
  server release([&](client& c) {
    while (read_request(c)) {
      ++seen;
      c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  route_to("v1", release.where());
  using fields = http2_client::fields;
  const auto with = [](const std::string& name, const std::string& value) {
    auto all = http2_client::get("/");
    for (auto& f : all) {
      if (f.first == name) {
        f.second = value;
        return all;
      }
    }
    all.push_back({name, value});
    return all;
  };
  const std::vector<fields> bad{
      with(":path", "/ HTTP/1.1\r\nX: y"),
      with(":path", "/a b"),
      with(":path", ""),
      with(":path", "x"),
      with(":method", "GET / HTTP/1.1\r\n\r\nGET"),
      with(":method", "G T"),
      with(":authority", "a\r\nX: y"),
      with(":authority", "a b"),
      with(":authority", "a/../b"),
      with("x", "a\r\ny: b"),
      with("x", "a\ny: b"),
      with("x", std::string("a\0b", 3)),
      with("x y", "a"),
      with("x:", "a"),
      with("x\r\ny", "a"),
      with("X", "upper"),
      with("", "a"),
      with("transfer-encoding", "chunked"),
      with("connection", "close"),
      with("upgrade", "websocket"),
      with("content-length", "5"),
      with("content-length", "-1"),
      with("te", "gzip"),
      fields{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}},
      fields{
          {":method", "GET"}, {":method", "PUT"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}}};
  for (std::size_t i = 0; i < bad.size(); ++i) {
    http2_client c(connect());
    c.ask(1, bad[i]);
    const auto how = c.outcome(1);
    EXPECT_TRUE(how.starts_with("reset") || how.starts_with("goaway") || how == "400" || how == "other")
        << i << " " << how;
    EXPECT_NE(how, "200") << i;
  }
  EXPECT_EQ(seen, 0);
  // The control: the same by the same means, without what is wrong.
  for (const auto& good : {with("x", "a"), with("te", "trailers"), with("content-length", "0")}) {
    http2_client c(connect());
    c.ask(1, good);
    EXPECT_EQ(c.outcome(1), "200");
  }
  EXPECT_EQ(seen, 3);
}

TEST_F(http2_fixture, bodies_are_as_long_as_they_say) {
  serve();
  server release(release_script("v1"));
  route_to("v1", release.where());
  for (const auto* body : {"1234", "123456"}) {
    http2_client c(connect());
    auto post = http2_client::get("/", {{"content-length", "5"}});
    post[0].second = "POST";
    c.ask(1, post, false);
    c.send(http2_client::data, http2_client::end_stream, 1, body);
    EXPECT_TRUE(c.outcome(1).starts_with("reset")) << body;
  }
  EXPECT_EQ(stats().answered, 0U);
}

TEST_F(http2_fixture, limits_hold) {
  proxy_options o;
  o.timeouts.idle = 2s;
  serve(o);
  server release(release_script("v1"));
  route_to("v1", release.where());
  // 100 requests at a time are told, the 101st is refused.
  http2_client many(connect());
  for (std::uint32_t i = 0; i < 101; ++i) {
    auto post = http2_client::get("/");
    post[0].second = "POST";
    many.ask(1 + 2 * i, post, false);
  }
  EXPECT_EQ(many.outcome(201), "reset 7");
  // A head that is too large, in one frame and in many.
  http2_client large(connect());
  fields_of_size(large, 1, 12'000, 3);
  EXPECT_EQ(large.outcome(1), "other");  // 431
  // A client that only opens and resets is sent away.
  http2_client rapid(connect());
  bool sent = true;
  for (std::uint32_t i = 0; i < 5'000 && sent; ++i) {
    rapid.ask(1 + 2 * i, http2_client::get("/"));
    sent = rapid.send(http2_client::rst_stream, 0, 1 + 2 * i, std::string("\0\0\0\x8", 4));
  }
  EXPECT_EQ(rapid.wait_for(http2_client::goaway, 0).type, http2_client::goaway);
  // Who does nothing is asked to leave.
  http2_client idle(connect());
  EXPECT_EQ(idle.wait_for(http2_client::goaway, 0).type, http2_client::goaway);
  EXPECT_TRUE(idle.below().at_end());
}

// What is no HTTP/2 where it was agreed on, and HTTP/2 where it was not.
TEST_F(http2_fixture, prior_knowledge_is_an_option) {
  proxy_options off;
  start(off);
  server release(release_script("v1"));
  route_to("v1", release.where());
  auto c = connect();
  c.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_EQ(c.receive().status, 505U);
  proxy_.reset();
  serve();
  route_to("v1", release.where());
  auto one = connect();
  EXPECT_EQ(one.get("/").status, 200U);  // HTTP/1.1 all the same
  auto broken = connect();
  broken.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n");
  EXPECT_NE(broken.read_all(), "");  // settings and the reason
}

}  // namespace
}  // namespace osvm::test
