// The load client over TLS and HTTP/2, its uploads and sessions: right answers count as answered through the
// proxy, and each way of being wrong is seen.
#include "hotswap/support/fixture.hpp"
#include "hotswap/support/load_server.hpp"
#include "hotswap/support/tls.hpp"

#include <osvm/hotswap/load_client.hpp>

namespace osvm::test {
namespace {

using namespace hotswap;

const load_request upload{.method = "PUT", .path = "/store", .expected = "stored {size}", .upload = 200'001};
const load_request events{
    .kind = load_kind::events, .path = "/events", .expected = "{nonce} {n}", .messages = 5};
const load_request talk{.kind = load_kind::websocket, .path = "/socket", .messages = 3};
const load_request plain{.path = "/", .expected = "hello {nonce}"};

class load_protocols : public proxy_fixture {
 protected:
  static void SetUpTestSuite() {
    dir_ = temp_folder();
    authority ca(dir_);
    ca.issue("here", "DNS:here.test");
    ca.issue("other", "DNS:other.test");
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(dir_); }

  void serve(bool tls) {
    proxy_options o;
    o.http2_clear_text = true;
    if (tls) {
      o.tls.emplace();
      o.tls->certificates = {{text_of(dir_ + "/here.pem"), text_of(dir_ + "/here.key")}};
    }
    proxy_.reset();
    start(std::move(o), 2);
  }
  load_report run(std::vector<load_request> requests, const std::function<void(load_options&)>& change = {}) {
    load_options o;
    o.target = proxy_->local_endpoint();
    o.host = "here.test";
    o.rate = 200;
    o.duration = 200ms;
    o.connections = 4;
    o.timeout = 30s;
    o.requests = std::move(requests);
    if (change) change(o);
    load_client c(loop_->get_executor(), o);
    auto r = c.async_run(boost::asio::use_future).get();
    EXPECT_TRUE(r) << (r ? "" : r.error().to_string());
    if (!r) return {};
    EXPECT_EQ(r->scheduled, r->answered + r->failed());
    EXPECT_EQ(r->scheduled, 40U);
    samples_ = r->samples.empty() ? "" : r->samples.front();
    return *r;
  }
  static void with_tls(load_options& o) { o.tls = load_tls{.authorities = text_of(dir_ + "/ca.pem")}; }
  static void with_http2(load_options& o) { o.protocol = load_protocol::http2; }

  inline static std::string dir_;
  std::string samples_;
};

TEST_F(load_protocols, everything_over_every_protocol) {
  server release(load_script("v1"));
  for (const bool tls : {false, true}) {
    serve(tls);
    route_to("v1", release.where());
    for (const bool http2 : {false, true}) {
      std::vector<load_request> all{plain, upload, events};
      if (!http2) all.push_back(talk);
      const auto r = run(all, [&](load_options& o) {
        o.initial_version = "v1";
        if (tls) with_tls(o);
        if (http2) with_http2(o);
      });
      EXPECT_EQ(r.answered, r.scheduled) << tls << http2 << samples_;
      EXPECT_EQ(r.by_version.at("v1"), r.scheduled);
      if (http2) {
        EXPECT_EQ(r.connections_opened, 1U);
      }
      EXPECT_EQ(r.latency.count, r.answered);
      EXPECT_LE(r.service.p50, r.latency.max);
      std::uint64_t shown = 0;
      for (const auto& s : r.latency.steps) shown += s.count;
      EXPECT_EQ(shown, r.answered);
    }
  }
}

TEST_F(load_protocols, what_is_wrong_in_a_session_is_seen) {
  const auto against = [this](load_server_faults bad, load_request request, bool http2 = false) {
    server release(load_script("v1", bad));
    serve(false);
    route_to("v1", release.where());
    return run({std::move(request)}, [&](load_options& o) {
      if (http2) with_http2(o);
    });
  };
  for (const bool http2 : {false, true}) {
    EXPECT_EQ(against({.one_event_less = true}, events, http2).truncated, 40U) << samples_;
    EXPECT_EQ(against({.wrong_event = true}, events, http2).wrong_content, 40U) << samples_;
    EXPECT_EQ(against({.cut_upload = true}, upload, http2).wrong_content, 40U) << samples_;
  }
  EXPECT_EQ(against({.wrong_echo = true}, talk).wrong_content, 40U) << samples_;
}

TEST_F(load_protocols, a_plain_answer_to_a_websocket_is_a_failure) {
  server release(load_script("v1"));
  serve(false);
  route_to("v1", release.where());
  auto request = talk;
  request.path = "/";
  EXPECT_EQ(run({request}).status, 40U) << samples_;
}

TEST_F(load_protocols, a_certificate_that_is_not_trusted_or_for_another_name_is_refused) {
  server release(load_script("v1"));
  serve(true);
  route_to("v1", release.where());
  EXPECT_EQ(run({plain}, with_tls).answered, 40U) << samples_;
  EXPECT_EQ(run({plain}, [](load_options& o) { o.tls.emplace(); }).connect, 40U);
  EXPECT_NE(samples_.find("certificate"), std::string::npos) << samples_;
  for (const bool http2 : {false, true}) {
    const auto other = run({plain}, [&](load_options& o) {
      with_tls(o);
      o.tls->name = "other.test";
      if (http2) with_http2(o);
    });
    EXPECT_EQ(other.connect, 40U);
    EXPECT_NE(samples_.find("ostname"), std::string::npos) << samples_;
  }
}

TEST_F(load_protocols, shifts_lose_nothing_of_any_kind) {
  server one(load_script("v1")), two(load_script("v2"));
  for (const bool http2 : {false, true}) {
    serve(http2);
    auto before = route_to("v1", one.where());
    load_options o;
    o.target = proxy_->local_endpoint();
    o.host = "here.test";
    o.rate = 150;
    o.duration = 60s;
    o.connections = 8;
    o.timeout = 30s;
    o.initial_version = "v1";
    o.requests = {plain, upload, events};
    if (!http2) o.requests.push_back(talk);
    if (http2) with_tls(o), with_http2(o);
    load_client load(loop_->get_executor(), o);
    auto done = load.async_run(boost::asio::use_future);
    for (int i = 0; i < 6; ++i) {
      const auto seen = load.progress().answered;
      ASSERT_TRUE(eventually([&] { return load.progress().answered > seen + 8; }, 60s));
      const std::string version = i % 2 == 0 ? "v2" : "v1";
      load.shift_starting(version);
      const auto next = route_to(version, i % 2 == 0 ? two.where() : one.where());
      load.shift_returned(version);
      const auto drained = drain(before, 30s);
      EXPECT_TRUE(drained && drained->cut == 0);
      before = next;
    }
    load.stop();
    const auto r = done.get();
    ASSERT_TRUE(r);
    for (const auto& s : r->samples) ADD_FAILURE() << s;
    EXPECT_EQ(r->answered, r->scheduled);
  }
}

TEST_F(load_protocols, lanes_of_http2_share_connections) {
  serve(false);
  server release(load_script("v1"));
  route_to("v1", release.where());
  const auto r = run({plain}, [](load_options& o) {
    with_http2(o);
    o.connections = 16;
    o.streams = 8;
  });
  EXPECT_EQ(r.answered, 40U) << samples_;
  EXPECT_LE(r.connections_opened, 2U);
}

TEST_F(load_protocols, impossible_options_are_refused) {
  serve(false);
  const auto refused = [this](const std::function<void(load_options&)>& change) {
    load_options o;
    o.target = proxy_->local_endpoint();
    change(o);
    load_client c(loop_->get_executor(), o);
    const auto r = c.async_run(boost::asio::use_future).get();
    return r ? error_code() : r.error().code;
  };
  EXPECT_EQ(refused([](load_options& o) { o.requests = {talk}, with_http2(o); }),
            osvm::errc::invalid_argument);
  EXPECT_EQ(refused([](load_options& o) { o.streams = 0; }), osvm::errc::invalid_argument);
  EXPECT_EQ(refused([](load_options& o) { o.requests = {{.messages = 0}}; }), osvm::errc::invalid_argument);
  EXPECT_EQ(refused([](load_options& o) { o.tls = load_tls{.authorities = "no PEM"}; }),
            hotswap::errc::bad_certificate);
}

}  // namespace
}  // namespace osvm::test
