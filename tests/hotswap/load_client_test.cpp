// The load client: every way in which an answer can be wrong has a class, and nothing is left uncounted.
#include "hotswap/load/histogram.hpp"
#include "hotswap/load/version_order.hpp"
#include "hotswap/support/fixture.hpp"

#include <osvm/hotswap/load_client.hpp>

#include <random>

namespace osvm::test {
namespace {

using namespace hotswap;

class load : public ::testing::Test {
 protected:
  load_report run(const endpoint& where, const std::function<void(load_options&)>& change = {}) {
    load_options o;
    o.target = where;
    o.rate = 200;
    o.duration = 200ms;
    o.connections = 4;
    o.timeout = 20s;  // a second is not enough for a loaded machine
    if (change) change(o);
    load_client c(loop_.get_executor(), o);
    auto r = c.async_run(boost::asio::use_future).get();
    EXPECT_TRUE(r) << r.error().to_string();
    if (!r) return {};
    EXPECT_EQ(r->scheduled, r->answered + r->failed());
    EXPECT_GT(r->scheduled, 0U);
    return *r;
  }
  load_report run_against(server::script s, const std::function<void(load_options&)>& change = {}) {
    server backend(std::move(s));
    return run(backend.where(), change);
  }
  runtime loop_;
};

server::script always(const std::string& response) {
  return [response](client& c) {
    while (read_request(c) && c.send(response)) {
    }
  };
}

TEST_F(load, good_answers_count_with_their_latency) {
  const auto r = run_against(release_script("v1"));
  EXPECT_EQ(r.scheduled, 40U);
  EXPECT_EQ(r.answered, 40U);
  EXPECT_EQ(r.by_version.at("v1"), 40U);
  EXPECT_LE(r.connections_opened, 4U);
  EXPECT_EQ(r.latency.count, 40U);
  EXPECT_GT(r.latency.p50.count(), 0);
  EXPECT_LE(r.latency.p50, r.latency.p99);
  EXPECT_LE(r.latency.p99, r.latency.max);
}

TEST_F(load, close_mode_opens_a_connection_per_request) {
  const auto r = run_against(release_script("v1"), [](load_options& o) { o.keep_alive = false; });
  EXPECT_EQ(r.answered, r.scheduled);
  EXPECT_EQ(r.connections_opened, r.scheduled);
}

TEST_F(load, connect_failures) {
  const auto r = run(unix_endpoint{"/tmp/osvm-no-such-socket"});
  EXPECT_EQ(r.connect, r.scheduled);
  EXPECT_FALSE(r.samples.empty());
}

TEST_F(load, closed_without_an_answer) {
  const auto r = run_against([](client& c) { read_request(c); });
  EXPECT_EQ(r.read, r.scheduled);
}

TEST_F(load, garbage_counts_as_read_failure) {
  const auto r = run_against(always("HTTP/1.1 banana\r\n\r\n"));
  EXPECT_EQ(r.read, r.scheduled);
}

TEST_F(load, no_answer_times_out_even_for_requests_that_no_connection_was_free_for) {
  const auto r = run_against([](client& c) { c.at_end(3s); }, [](load_options& o) { o.timeout = 150ms; });
  EXPECT_EQ(r.timeout, r.scheduled);
}

TEST_F(load, other_statuses) {
  const auto r = run_against(always("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_EQ(r.status, r.scheduled);
}

TEST_F(load, truncated_bodies) {
  const auto r = run_against([](client& c) {
    if (read_request(c)) c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  });
  EXPECT_EQ(r.truncated, r.scheduled);
}

TEST_F(load, wrong_or_missing_nonce) {
  EXPECT_GT(
      run_against(always("HTTP/1.1 200 OK\r\nX-Osvm-Nonce: 1\r\nContent-Length: 0\r\n\r\n")).wrong_nonce, 0U);
  EXPECT_GT(run_against(always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).wrong_nonce, 0U);
}

TEST_F(load, content_that_was_not_expected) {
  const auto expecting = [this](const std::string& expected) {
    return run_against(always("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), [&](load_options& o) {
      o.nonce_header = o.version_header = "";
      o.requests = {{.expected = expected}};
    });
  };
  EXPECT_EQ(expecting("abc").failed(), 0U);
  for (const char* other : {"abd", "ab", "abcd"}) {
    const auto r = expecting(other);
    EXPECT_EQ(r.wrong_content, r.scheduled) << other;
    EXPECT_EQ(r.failed(), r.scheduled) << other;
  }
}

// Sends back what is between < and > in the request's body.
void echo_part(client& c, std::size_t cut) {
  while (const auto r = read_request(c)) {
    const auto from = r->body.find('<') + 1;
    const auto body = r->body.substr(from, r->body.find('>') - from - cut);
    if (!c.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body))
      return;
  }
}

TEST_F(load, requests_take_turns_and_each_has_its_own_nonce_in_its_answer) {
  std::mutex mutex;
  std::map<std::string, unsigned> bodies;
  const auto change = [](load_options& o) {
    o.nonce_header = o.version_header = "";
    o.requests = {{.method = "POST",
                   .path = "/a",
                   .content_type = "application/json",
                   .body = "first <{nonce}> {nonce}",
                   .expected = "{nonce}"},
                  {.method = "PUT", .path = "/b", .body = "second <{nonce}>", .expected = "{nonce}"}};
  };
  const auto good = run_against([](client& c) { echo_part(c, 0); }, change);
  EXPECT_EQ(good.answered, good.scheduled);
  const auto cut = run_against([](client& c) { echo_part(c, 1); }, change);
  EXPECT_EQ(cut.wrong_content, cut.scheduled);
  run_against(
      [&](client& c) {
        while (const auto r = read_request(c)) {
          const std::lock_guard lock(mutex);
          ++bodies[r->head.substr(0, r->head.find(' ')) + r->header("content-type")];
          c.send("HTTP/1.1 204 No Content\r\n\r\n");
        }
      },
      change);
  EXPECT_EQ(bodies.size(), 2U);
  EXPECT_EQ(bodies["POSTapplication/json"], bodies["PUT"]);
}

TEST_F(load, requests_that_are_none_are_refused) {
  for (const load_request& r : {load_request{.method = "GET /x"}, load_request{.method = ""},
                                load_request{.path = "a b"}, load_request{.content_type = "a\r\nb: c"}}) {
    load_client c(loop_.get_executor(), {.target = unix_endpoint{"/tmp/none"}, .requests = {r}});
    const auto done = c.async_run(boost::asio::use_future).get();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, osvm::errc::invalid_argument);
  }
}

TEST_F(load, an_unannounced_release) {
  const auto r = run_against(release_script("v9"), [](load_options& o) { o.initial_version = "v1"; });
  EXPECT_EQ(r.misversioned, r.scheduled);
}

TEST_F(load, a_rate_that_was_not_reached_is_said) {
  const auto r = run_against(
      [](client& c) {
        while (const auto q = read_request(c)) {
          std::this_thread::sleep_for(100ms);
          c.send("HTTP/1.1 200 OK\r\nX-Osvm-Nonce: " + q->header("x-osvm-nonce") +
                 "\r\nContent-Length: 0\r\n\r\n");
        }
      },
      [](load_options& o) {
        o.connections = 1;
        o.version_header.clear();
      });
  EXPECT_TRUE(r.rate_missed);
  // Counted from when it was due: a queue in front of the client is no excuse.
  EXPECT_GT(r.latency.max, 500ms);
}

TEST_F(load, bad_options_and_second_runs_are_errors) {
  load_options o;
  o.target = unix_endpoint{"/tmp/osvm-no-such-socket"};
  o.path = "/ HTTP/1.1\r\nX: y";
  load_client bad(loop_.get_executor(), o);
  EXPECT_EQ(bad.async_run(boost::asio::use_future).get().error().code, osvm::errc::invalid_argument);
  o.path = "/";
  o.duration = 20ms;
  load_client twice(loop_.get_executor(), o);
  EXPECT_TRUE(twice.async_run(boost::asio::use_future).get());
  EXPECT_EQ(twice.async_run(boost::asio::use_future).get().error().code, osvm::errc::busy);
}

TEST_F(load, is_destroyed_in_the_middle) {
  server backend(release_script("v1"));
  load_options o;
  o.target = backend.where();
  o.duration = 60s;
  std::future<result<load_report>> pending;
  {
    load_client c(loop_.get_executor(), o);
    pending = c.async_run(boost::asio::use_future);
    ASSERT_TRUE(eventually([&] { return c.progress().answered > 5; }));
  }
  EXPECT_EQ(pending.get().error().code, osvm::errc::cancelled);
}

TEST(load_histogram, is_within_one_percent) {
  hotswap::detail::histogram h;
  std::vector<std::int64_t> values;
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> spread(12, 2);
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(static_cast<std::int64_t>(spread(random)));
    h.add(std::chrono::nanoseconds(values.back()));
  }
  std::sort(values.begin(), values.end());
  const auto s = h.summary();
  const auto near = [&](std::chrono::nanoseconds got, double share) {
    const auto real = static_cast<double>(values[static_cast<std::size_t>(share * 20'000) - 1]);
    EXPECT_NEAR(static_cast<double>(got.count()), real, real * 0.01 + 1) << share;
  };
  near(s.p50, 0.5);
  near(s.p90, 0.9);
  near(s.p99, 0.99);
  near(s.p999, 0.999);
  EXPECT_EQ(s.max.count(), values.back());
  EXPECT_EQ(s.min.count(), values.front());
}

TEST(load_versions, releases_never_go_back) {
  hotswap::detail::version_order v("v1");
  EXPECT_EQ(v.find("v1", v.floor()), 0);
  EXPECT_EQ(v.find("v2", 0), -1);
  v.starting("v2");
  EXPECT_EQ(v.find("v2", 0), 1);  // may answer as soon as the shift has begun
  EXPECT_EQ(v.find("v1", v.floor()), 0);
  v.returned("v2");
  EXPECT_EQ(v.find("v1", v.floor()), -1);  // too old for requests from now on
  v.starting("v1");
  EXPECT_EQ(v.find("v1", v.floor()), 2);  // the name again, a later place
  EXPECT_EQ(v.find("v2", 2), -1);         // a connection that has seen that place never sees v2
}

TEST(load_versions, an_unknown_start_allows_anything_until_the_first_shift) {
  hotswap::detail::version_order v("");
  EXPECT_EQ(v.find("whatever", 0), 0);
  v.returned("v1");
  EXPECT_EQ(v.find("whatever", v.floor()), -1);
  EXPECT_EQ(v.find("v1", v.floor()), 1);
}

}  // namespace
}  // namespace osvm::test
