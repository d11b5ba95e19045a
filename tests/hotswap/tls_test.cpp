// TLS in front of the proxy: openssl's client and curl as people use them, and a client that misbehaves.
#include "hotswap/support/tls.hpp"
#include "hotswap/support/fixture.hpp"

#include <osvm/hotswap/gateway.hpp>

#include <future>

namespace osvm::test {
namespace {

using namespace hotswap;

class tls_fixture : public proxy_fixture {
 protected:
  static void SetUpTestSuite() {
    dir_ = temp_folder();
    authority ca(dir_);
    ca.issue("first", "DNS:first.test,IP:127.0.0.1");
    ca.issue("second", "DNS:second.test,DNS:*.second.test");
    ca.issue("renewed", "DNS:first.test,IP:127.0.0.1");
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(dir_); }
  void SetUp() override {
    for (const auto* p : {"openssl", "curl"}) {
      ASSERT_TRUE(has_program(p)) << p << " is missing (tools/dev/packages.txt)";
    }
  }
  static std::string file(const std::string& name) { return dir_ + "/" + name; }
  static tls_certificate certificate(const std::string& name) {
    return {text_of(file(name + ".pem")), text_of(file(name + ".key"))};
  }
  static tls_termination only(const std::string& name) {
    tls_termination t;
    t.certificates = {certificate(name)};
    t.protocols = {"http/1.1"};
    return t;
  }
  void serve(tls_termination t, proxy_mode mode = proxy_mode::l7, std::chrono::milliseconds head = 20s) {
    proxy_options o;
    o.mode = mode;
    o.tls = std::move(t);
    o.timeouts.head = head;
    proxy_.reset();
    start(std::move(o));
  }
  std::string at() const {
    return "127.0.0.1:" + std::to_string(std::get<tcp_endpoint>(proxy_->local_endpoint()).port);
  }
  ran s_client(const std::string& more) { return run("openssl s_client -connect " + at() + " " + more); }
  std::string curl() const { return "curl -sS --cacert " + file("ca.pem") + " https://" + at() + "/ "; }

  inline static std::string dir_;
};

TEST_F(tls_fixture, curl_is_served) {
  serve(only("first"));
  server release(release_script("v1"));
  route_to("v1", release.where());
  for (const auto* version : {"--tlsv1.2 --tls-max 1.2", "--tlsv1.3"}) {
    const auto r = run(curl() + version);
    EXPECT_EQ(r.status, 0) << r.text;
    EXPECT_TRUE(r.has("hello v1")) << r.text;
  }
  EXPECT_NE(run(curl() + "--tlsv1.1 --tls-max 1.1").status, 0);
  EXPECT_TRUE(eventually([&] { return stats().tls_handshakes == 2; }));
}

TEST_F(tls_fixture, only_tls13_refuses_tls12) {
  auto t = only("first");
  t.only_tls13 = true;
  serve(t);
  server release(release_script("v1"));
  route_to("v1", release.where());
  EXPECT_NE(run(curl() + "--tls-max 1.2").status, 0);
  EXPECT_EQ(run(curl() + "--tlsv1.3").status, 0);
}

TEST_F(tls_fixture, the_name_chooses_the_certificate) {
  auto t = only("first");
  t.certificates.push_back(certificate("second"));
  serve(t);
  const std::pair<const char*, const char*> expected[] = {{"first.test", "first"},
                                                          {"second.test", "second"},
                                                          {"SECOND.test", "second"},
                                                          {"a.second.test", "second"},
                                                          {"a.b.second.test", "first"},
                                                          {"unknown.test", "first"},
                                                          {"", "first"}};
  for (const auto& [name, subject] : expected) {
    tls_client c(connect(), {.name = name});
    ASSERT_TRUE(c.connected()) << name;
    EXPECT_EQ(c.subject(), subject) << name;
  }
  const auto r = s_client("-servername second.test -CAfile " + file("ca.pem"));
  EXPECT_TRUE(r.has("CN = second") && r.has("Verify return code: 0 (ok)")) << r.text;
}

TEST_F(tls_fixture, protocols_are_agreed_on) {
  serve(only("first"));
  EXPECT_TRUE(s_client("-alpn h2,http/1.1").has("ALPN protocol: http/1.1"));
  const auto none = s_client("-alpn spdy/3");
  EXPECT_TRUE(none.has("no application protocol")) << none.text;
  EXPECT_TRUE(s_client("").has("No ALPN negotiated"));  // who says nothing gets HTTP/1.1
}

TEST_F(tls_fixture, sessions_are_resumed_across_a_change_of_certificate) {
  serve(only("first"));
  server release(release_script("v1"));
  route_to("v1", release.where());
  for (const auto* version : {"-tls1_2", "-tls1_3"}) {
    const auto ticket = file(std::string("ticket") + version);
    // The answer comes behind the tickets of TLS 1.3.
    const auto request = "sh -c \"printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' | ";
    const auto ask = [&](const std::string& more) {
      return run(request + ("openssl s_client -ign_eof -connect " + at()) + " " + version + " " + more +
                 "\"");
    };
    ASSERT_TRUE(proxy_->renew(only("first")));
    const auto first = ask("-sess_out " + ticket);
    EXPECT_TRUE(first.has("New, TLSv1") && first.has("hello v1")) << first.text;
    ASSERT_TRUE(proxy_->renew(only("renewed")));
    EXPECT_TRUE(eventually([&] { return tls_client(connect()).subject() == "renewed"; }));
    const auto again = ask("-sess_in " + ticket);
    EXPECT_TRUE(again.has("Reused, TLSv1") && again.has("hello v1")) << again.text;
  }
  EXPECT_TRUE(eventually([&] { return stats().tls_resumed == 2; }));
}

// A TLS 1.3 client uses a ticket once: the session that it resumed has to bring the next one. It did not, and
// every second connection was a whole handshake.
TEST_F(tls_fixture, every_connection_of_a_chain_is_resumed) {
  serve(only("first"));
  server release(release_script("v1"));
  route_to("v1", release.where());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)> session(nullptr, SSL_SESSION_free);
    for (int i = 0; i < 5; ++i) {
      tls_client c(connect(), {.most = version, .resume = session.get()});
      ASSERT_TRUE(c.connected());
      EXPECT_EQ(SSL_session_reused(c.get()), i == 0 ? 0 : 1) << i;
      EXPECT_EQ(c.get("/"), "hello v1\n");  // the answer comes behind the tickets
      session.reset(SSL_get1_session(c.get()));
      EXPECT_EQ(SSL_SESSION_is_resumable(session.get()), 1) << i;
      c.finish();
    }
  }
}

TEST_F(tls_fixture, another_proxy_does_not_open_its_tickets) {
  serve(only("first"));
  tls_client one(connect(), {.most = TLS1_2_VERSION});
  ASSERT_TRUE(one.connected());
  SSL_SESSION* const ticket = SSL_get0_session(one.get());
  tls_client known(connect(), {.most = TLS1_2_VERSION, .resume = ticket});
  EXPECT_EQ(SSL_session_reused(known.get()), 1);
  serve(only("first"));
  tls_client unknown(connect(), {.most = TLS1_2_VERSION, .resume = ticket});
  ASSERT_TRUE(unknown.connected());
  EXPECT_EQ(SSL_session_reused(unknown.get()), 0);
}

TEST_F(tls_fixture, a_kept_connection_outlives_its_certificate_and_its_release) {
  serve(only("first"));
  server v1(release_script("v1")), v2(release_script("v2"));
  route_to("v1", v1.where());
  tls_client c(connect());
  EXPECT_EQ(c.get("/"), "hello v1\n");
  ASSERT_TRUE(proxy_->renew(only("renewed")));
  route_to("v2", v2.where());
  EXPECT_EQ(c.get("/"), "hello v2\n");
  EXPECT_EQ(c.subject(), "first");
  // Two requests in one record, one request in two.
  c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(c.body(), "hello v2\n");
  EXPECT_EQ(c.body(), "hello v2\n");
  c.send("GET / HTTP/1.1\r\nHo");
  c.send("st: a\r\n\r\n");
  EXPECT_EQ(c.body(), "hello v2\n");
  c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(c.body(), "hello v2\n");
  EXPECT_TRUE(c.ended());  // said, not cut
}

TEST_F(tls_fixture, large_bodies_pass_both_ways) {
  serve(only("first"));
  server echo([](client& c) {
    while (const auto r = read_request(c)) {
      const auto head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(r->body.size()) + "\r\n\r\n";
      if (!c.send(head + r->body)) return;
    }
  });
  route_to("v1", echo.where());
  std::string big;
  for (std::uint32_t i = 0; big.size() < (5U << 20); ++i) big += std::to_string(i * 2654435761U);
  std::ofstream(file("big"), std::ios::binary) << big;
  const auto r = run(curl() + "--http1.1 --data-binary @" + file("big") + " -o " + file("back"));
  EXPECT_EQ(r.status, 0) << r.text;
  EXPECT_TRUE(text_of(file("back")) == big);
}

// A client that does not read for a while: what waits for it has to be taken up where it was.
TEST_F(tls_fixture, a_slow_reader_gets_everything) {
  serve(only("first"));
  const std::string big(8U << 20, 'x');
  server release([&](client& c) {
    while (read_request(c))
      c.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(big.size()) + "\r\n\r\n" + big);
  });
  route_to("v1", release.where());
  tls_client c(connect());
  c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  // Until the proxy stops taking from the release.
  std::uint64_t before = 0;
  EXPECT_TRUE(eventually([&] {
    const auto now = stats().bytes_to_client;
    return std::exchange(before, now) == now && now > 0;
  }));
  EXPECT_TRUE(c.body() == big);
  EXPECT_EQ(stats().failed(), 0U);
}

TEST_F(tls_fixture, what_is_no_tls_is_let_go) {
  serve(only("first"), proxy_mode::l7, 300ms);
  auto plain = connect();
  plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(plain.at_end());
  auto silent = connect();
  EXPECT_TRUE(silent.at_end());  // after timeouts.head
  auto half = connect();
  half.send(std::string("\x16\x03\x01\x02", 4));
  EXPECT_TRUE(half.at_end());
  EXPECT_TRUE(eventually([&] { return stats().tls_failed == 3 && stats().active == 0; }));
}

TEST_F(tls_fixture, streams_end_as_they_end) {
  auto t = only("first");
  t.protocols = {"acme"};
  serve(t, proxy_mode::l4);
  std::promise<bool> in_order, cut;
  server release([&](client& c) {
    const auto all = c.read_all(10s);
    (all == "finished" ? in_order : cut).set_value(!c.reset());
    c.send("bye");
  });
  route_to("v1", release.where());
  tls_client c(connect(), {.protocols = "\4acme"});
  ASSERT_TRUE(c.connected());
  c.send("finished");
  c.finish();
  EXPECT_TRUE(in_order.get_future().get());
  EXPECT_EQ(c.read(3), "bye");
  EXPECT_TRUE(c.ended());
  // Without TLS's own end, what came may not be all that was sent: the release must not take it for that.
  tls_client d(connect(), {.protocols = "\4acme"});
  ASSERT_TRUE(d.connected());
  d.send("cut");
  EXPECT_TRUE(eventually([&] { return stats().bytes_to_release == 11; }));
  d.below().close();
  (void)cut.get_future().get();
  EXPECT_TRUE(eventually([&] { return stats().client_aborted == 1; }));
}

TEST_F(tls_fixture, wrong_certificates_are_told) {
  proxy_options o;
  const auto expect = [&](tls_certificate c, std::string_view what) {
    o.tls = tls_termination{.certificates = {std::move(c)}};
    const auto r = proxy::listen(runtime({.threads = 1}).get_executor(), o);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, hotswap::errc::bad_certificate);
    EXPECT_NE(r.error().context.find(what), std::string::npos) << r.error().to_string();
  };
  expect({"", ""}, "no certificate in PEM");
  expect({text_of(file("first.pem")), ""}, "no unencrypted private key");
  expect({text_of(file("first.pem")), text_of(file("second.key"))}, "the key is not the certificate's");
  expect({text_of(file("first.pem")) + "-----BEGIN CERTIFICATE-----\n!\n", text_of(file("first.key"))},
         "damaged");
  run("openssl ec -aes128 -passout pass:x -in " + file("first.key") + " -out " + file("locked.key"));
  expect({text_of(file("first.pem")), text_of(file("locked.key"))}, "no unencrypted private key");
}

// --- the gateway ---

TEST_F(tls_fixture, a_reload_changes_the_certificate) {
  server release([](client& c) {
    while (const auto r = read_request(c)) {
      const auto body = r->header("X-Forwarded-Proto") + " " + r->header("Forwarded");
      c.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    }
  });
  const auto config = [&](const std::string& key, const std::string& more = {}) {
    return "listeners:\n  - listen: \"unix:" + file("front") +
           "\"\n    forwarded: replace\n    service: web\n" +
           "    tls:\n      certificates: [{chain: " + file("shown.pem") + ", key: " + key + "}]\n" + more +
           "services: {web: {backends: [\"unix:" + release.path() + "\"]}}\n";
  };
  const auto show = [&](const std::string& name) {
    for (const auto* kind : {".pem", ".key"}) {
      std::filesystem::copy_file(file(name + kind), file(std::string("shown") + kind),
                                 std::filesystem::copy_options::overwrite_existing);
    }
  };
  show("first");
  runtime loop({.threads = 1});
  auto opened = gateway::open({loop.get_executor()}, *parse_gateway_config(config(file("shown.key"))), {});
  ASSERT_TRUE(opened) << opened.error().to_string();
  std::promise<void> begun;
  opened->begin([&](const std::string&, const result<shift_report>&) { begun.set_value(); });
  begun.get_future().wait();
  const auto connect = [&] { return tls_client(client(unix_endpoint{file("front")})); };
  auto kept = connect();
  EXPECT_EQ(kept.subject(), "first");
  EXPECT_EQ(kept.get("/").substr(0, 6), "https ");

  show("renewed");
  std::promise<void> reloaded;
  ASSERT_TRUE(
      opened->reload(*parse_gateway_config(config(file("shown.key"))), [&] { reloaded.set_value(); }));
  reloaded.get_future().wait();
  EXPECT_TRUE(eventually([&] { return connect().subject() == "renewed"; }));
  EXPECT_EQ(kept.get("/").substr(0, 6), "https ");

  // A mistake has its place, and changes nothing.
  const auto expect = [&](const std::string& text, std::string_view where) {
    const auto r = parse_gateway_config(text, "c");
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().to_string().find(where), std::string::npos) << r.error().to_string();
  };
  expect(config(file("second.key")), "c:6:21: certificate 1: the key is not the certificate's");
  expect(config(file("missing")), "c:6:");
  expect(config(file("shown.key"), "      min_version: 1.1\n"), "c:7:20: expected one of: 1.2, 1.3");
  expect(config(file("shown.key"), "      alpn: [spdy]\n"), "c:7:13: expected h2 and http/1.1");
}

}  // namespace
}  // namespace osvm::test
