// Replacing the release under load: nothing lost, nothing cut short, nothing answered by the wrong release.
#include "hotswap/support/fixture.hpp"

#include <osvm/hotswap/load_client.hpp>

namespace osvm::test {
namespace {

using namespace hotswap;

class shift_under_load : public proxy_fixture {
 protected:
  // Shifts between two releases while a load runs, and returns what the load saw.
  load_report run(bool keep_alive, int shifts, double rate = 400) {
    server one(release_script("v1")), two(release_script("v2"));
    start(proxy_mode::l7, 2);
    auto before = route_to("v1", one.where());
    load_options o;
    o.target = proxy_->local_endpoint();
    o.rate = rate;
    o.duration = 10s;
    o.connections = 8;
    o.keep_alive = keep_alive;
    o.initial_version = "v1";
    load_client load(loop_->get_executor(), o);
    auto done = load.async_run(boost::asio::use_future);
    EXPECT_TRUE(eventually([&] { return load.progress().answered > 20; }));
    for (int i = 0; i < shifts; ++i) {
      const bool odd = i % 2 == 0;
      const std::string version = odd ? "v2" : "v1";
      load.shift_starting(version);
      const auto next = route_to(version, odd ? two.where() : one.where());
      load.shift_returned(version);
      const auto r = drain(before, 5s);
      EXPECT_TRUE(r);
      EXPECT_EQ(r ? r->cut : 0, 0U);
      before = next;
      const auto seen = load.progress().answered;
      EXPECT_TRUE(eventually([&] { return load.progress().answered > seen + 5; }));
    }
    load.stop();
    auto report = done.get();
    EXPECT_TRUE(report);
    return report ? *report : load_report{};
  }
  void check(const load_report& r) {
    for (const auto& s : r.samples) ADD_FAILURE() << s;
    EXPECT_EQ(r.failed(), 0U);
    EXPECT_EQ(r.truncated, 0U);
    EXPECT_EQ(r.misversioned, 0U);
    EXPECT_EQ(r.scheduled, r.answered);
    EXPECT_GT(r.by_version.at("v1"), 0U);
    EXPECT_GT(r.by_version.at("v2"), 0U);
    EXPECT_EQ(stats().failed(), 0U);
    EXPECT_EQ(stats().cut, 0U);
  }
};

TEST_F(shift_under_load, keep_alive_clients_lose_nothing) {
  check(run(true, 20));
}
TEST_F(shift_under_load, close_clients_lose_nothing) {
  check(run(false, 20));
}

// The same client must be able to see what must not happen: a stale release behind the proxy's back.
TEST_F(shift_under_load, the_load_client_notices_a_shift_that_did_not_happen) {
  server one(release_script("v1"));
  start(proxy_mode::l7);
  route_to("v1", one.where());
  load_options o;
  o.target = proxy_->local_endpoint();
  o.rate = 300;
  o.duration = 300ms;
  o.initial_version = "v1";
  load_client load(loop_->get_executor(), o);
  load.shift_starting("v2");
  load.shift_returned("v2");  // announced, but not done
  const auto r = load.async_run(boost::asio::use_future).get();
  ASSERT_TRUE(r);
  EXPECT_EQ(r->misversioned, r->scheduled);
  EXPECT_EQ(r->answered, 0U);
}

TEST_F(shift_under_load, a_request_in_flight_finishes_on_its_release_and_the_next_goes_to_the_new_one) {
  std::atomic<bool> go = false;
  server one([&](client& c) {
    while (read_request(c)) {
      while (!go) std::this_thread::sleep_for(1ms);
      c.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
    }
  });
  server two([](client& c) {
    while (read_request(c)) c.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
  });
  start(proxy_mode::l7);
  const auto g = route_to("v1", one.where());
  auto c = connect();
  c.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return proxy_->release(g)->inflight == 1; }));
  route_to("v2", two.where());
  auto drained = proxy_->async_drain(g, 5s, boost::asio::use_future);
  EXPECT_EQ(connect().get("/").body, "two");
  EXPECT_EQ(drained.wait_for(20ms), std::future_status::timeout);
  go = true;
  EXPECT_EQ(c.receive().body, "one");
  EXPECT_EQ(drained.get()->cut, 0U);
  EXPECT_EQ(c.get("/").body, "two");
}

TEST_F(shift_under_load, the_drain_deadline_answers_or_resets_what_is_left_and_counts_it) {
  server hangs([](client& c) {
    const auto r = read_request(c);
    if (r && r->has("/half")) c.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    c.at_end(10s);
  });
  server two(release_script("v2"));
  start(proxy_mode::l7, 2);
  const auto g = route_to("v1", hangs.where());
  auto silent = connect(), half = connect();
  silent.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  half.send("GET /half HTTP/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return proxy_->release(g)->inflight == 2; }));
  route_to("v2", two.where());
  const auto r = drain(g, 100ms);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->inflight, 2U);
  EXPECT_EQ(r->cut, 2U);
  EXPECT_EQ(silent.receive().status, 503U);  // nothing had been sent yet: an answer is possible
  EXPECT_FALSE(half.receive().complete);
  EXPECT_TRUE(half.reset());
  EXPECT_EQ(stats().cut, 2U);
  EXPECT_EQ(proxy_->release(g)->inflight, 0U);
}

TEST_F(shift_under_load, a_release_that_is_gone_at_connect_gives_way_to_the_next) {
  server two(release_script("v2"));
  start(proxy_mode::l7);
  for (int i = 0; i < 20; ++i) {
    route_to("gone", unix_endpoint{"/tmp/osvm-no-such-socket"});
    route_to("v2", two.where());
    EXPECT_EQ(connect().get("/").status, 200U);
  }
}

}  // namespace
}  // namespace osvm::test
