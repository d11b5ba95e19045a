// Rows of the failure matrix (docs/design/failure-matrix.md) that no other test has, each several times at
// random moments of a load whose every request must be answered.
#include "hotswap/support/fixture.hpp"
#include "hotswap/support/load_server.hpp"
#include "hotswap/support/rounds.hpp"

#include <osvm/hotswap/load_client.hpp>
#include <osvm/hotswap/release.hpp>

#include <random>

namespace osvm::test {
namespace {

using namespace hotswap;

// A release that answers probes and warm-ups; everything else as `traffic` says, given how many requests came
// before.
server::script judged(const std::string& version,
                      std::function<bool(client&, const seen_request&, int)> traffic) {
  auto count = std::make_shared<std::atomic<int>>(0);
  return [version, traffic, count](client& c) {
    while (const auto r = read_request(c, 60s)) {
      const auto head =
          "X-Osvm-Release: " + version + "\r\nX-Osvm-Nonce: " + r->header("x-osvm-nonce") + "\r\n";
      if (!r->has("osvm-probe") && !traffic(c, *r, (*count)++)) return;
      if (r->has("osvm-probe") && !c.send("HTTP/1.1 200 OK\r\n" + head + "Content-Length: 0\r\n\r\n")) return;
    }
  };
}

bool answer(client& c, const seen_request& r, const std::string& version,
            const std::string& status = "200 OK") {
  return c.send("HTTP/1.1 " + status + "\r\nX-Osvm-Release: " + version +
                "\r\nX-Osvm-Nonce: " + r.header("x-osvm-nonce") + "\r\nContent-Length: 2\r\n\r\nok");
}

class failure_matrix : public proxy_fixture {
 protected:
  void SetUp() override {
    proxy_options o;
    o.timeouts.head = 10min;  // slow clients shall be slow, however slow this machine is
    start(std::move(o));
    service_ = std::make_unique<service>(loop_->get_executor(), *proxy_,
                                         make_endpoint_source(loop_->get_executor()));
    good_ = std::make_unique<server>(
        judged("good", [](client& c, const seen_request& r, int) { return answer(c, r, "good"); }));
    EXPECT_EQ(deploy("good", *good_).state, release_state::active);
  }
  void TearDown() override {
    service_.reset();
    proxy_fixture::TearDown();
    loop_.reset();
  }
  static release_spec spec(const std::string& version, const server& at) {
    release_spec s;
    s.version = version;
    s.artifact = "unix:" + at.path();
    s.probe.deadline = 60s;
    s.probe.interval = 2ms;
    s.drain_deadline = 60s;
    return s;
  }
  shift_report deploy(const std::string& version, const server& at,
                      const std::function<void(release_spec&)>& change = {}) {
    auto s = spec(version, at);
    if (change) change(s);
    auto r = service_->async_deploy(std::move(s), boost::asio::use_future).get();
    EXPECT_TRUE(r) << (r ? "" : r.error().to_string());
    return r ? *r : shift_report{};
  }
  // Requests while `what` runs; nothing may be left unanswered by the proxy itself.
  load_report under_load(const std::function<void(load_client&)>& what) {
    load_options o;
    o.target = proxy_->local_endpoint();
    o.rate = 300;
    o.duration = std::chrono::hours(1);
    o.timeout = 60s;
    o.version_header.clear();
    load_client load(loop_->get_executor(), o);
    auto done = load.async_run(boost::asio::use_future);
    what(load);
    load.stop();
    auto r = done.get();
    EXPECT_TRUE(r);
    return r ? *r : load_report{};
  }
  void some_time() { std::this_thread::sleep_for(std::chrono::microseconds(random_() % 10'000)); }
  std::string served() { return connect().get("/").header("x-osvm-release"); }
  static void baked(release_spec& s) {
    s.bake.window = 60s;  // ends sooner, when it is judged
    s.bake.check = 5ms;
    s.bake.max_error_rate = 0.02;
    s.bake.min_requests = 20;
  }

  std::mt19937 random_{11};
  std::unique_ptr<service> service_;
  std::unique_ptr<server> good_;
};

TEST_F(failure_matrix, five_per_cent_of_500s_are_rolled_back) {
  const auto r = under_load([this](load_client&) {
    for (int i = 0; i < rounds(5, 100); ++i) {
      server sick(judged("sick", [](client& c, const seen_request& q, int n) {
        return answer(c, q, "sick", n % 20 == 7 ? "500 Broken" : "200 OK");
      }));
      some_time();
      const auto done = deploy("sick", sick, baked);
      EXPECT_EQ(done.state, release_state::rolled_back) << done.describe();
      EXPECT_EQ(served(), "good");
    }
  });
  EXPECT_EQ(r.scheduled, r.answered + r.status);
}

TEST_F(failure_matrix, a_release_that_fails_in_the_bake_is_rolled_back) {
  const auto r = under_load([this](load_client&) {
    for (int i = 0; i < rounds(5, 100); ++i) {
      const int well_for = static_cast<int>(random_() % 60);
      server sick(judged("sick", [well_for](client& c, const seen_request& q, int n) {
        return answer(c, q, "sick", n >= well_for ? "503 Gone bad" : "200 OK");
      }));
      const auto done = deploy("sick", sick, baked);
      EXPECT_EQ(done.state, release_state::rolled_back) << done.describe();
      EXPECT_EQ(served(), "good");
    }
  });
  EXPECT_EQ(r.scheduled, r.answered + r.status);
}

TEST_F(failure_matrix, resets_in_the_middle_of_bodies_are_rolled_back_and_never_look_whole) {
  const auto r = under_load([this](load_client&) {
    for (int i = 0; i < rounds(5, 100); ++i) {
      const auto part = random_() % 90;
      server sick(judged("sick", [part](client& c, const seen_request& q, int) {
        c.send("HTTP/1.1 200 OK\r\nX-Osvm-Nonce: " + q.header("x-osvm-nonce") +
               "\r\nContent-Length: 100\r\n\r\n" + std::string(part, 'x'));
        c.abort();
        return false;
      }));
      const auto done = deploy("sick", sick, baked);
      EXPECT_EQ(done.state, release_state::rolled_back) << done.describe();
    }
  });
  EXPECT_EQ(r.scheduled, r.answered + r.truncated + r.status + r.read)
      << (r.samples.empty() ? "" : r.samples[0]);
  EXPECT_GT(r.truncated, 0U);
}

TEST_F(failure_matrix, what_hangs_or_never_answers_is_rejected_and_nobody_notices) {
  const auto r = under_load([this](load_client&) {
    for (int i = 0; i < rounds(5, 100); ++i) {
      server hangs([](client& c) { c.at_end(60s); });
      some_time();
      const auto done = deploy("hangs", hangs, [&](release_spec& s) {
        s.probe.deadline = std::chrono::milliseconds(20 + random_() % 60);
      });
      EXPECT_EQ(done.state, release_state::rejected);
      EXPECT_EQ(done.failed_at, release_state::probing);
    }
  });
  EXPECT_EQ(r.answered, r.scheduled);
}

// Health that comes and goes: enough successes in a row let it through, and traffic then goes on without
// loss; too few do not.
TEST_F(failure_matrix, flapping_health_passes_only_after_enough_good_answers_in_a_row) {
  const auto r = under_load([this](load_client&) {
    for (int i = 0; i < rounds(5, 100); ++i) {
      auto asked = std::make_shared<std::atomic<int>>(0);
      const int settles = 4 + static_cast<int>(random_() % 12);
      server flaps([asked, settles](client& c) {
        while (const auto q = read_request(c, 60s)) {
          const int n = q->has("osvm-probe") ? (*asked)++ : settles;
          if (!answer(c, *q, "flaps", n < settles && n % 2 == 0 ? "503 Not now" : "200 OK")) return;
        }
      });
      const auto never = deploy("never", flaps, [](release_spec& s) {
        s.probe.successes = 1'000'000;
        s.probe.deadline = 30ms;
      });
      EXPECT_EQ(never.state, release_state::rejected);
      *asked = 0;
      const auto done = deploy("flaps", flaps, [](release_spec& s) { s.probe.successes = 3; });
      EXPECT_EQ(done.state, release_state::active) << done.describe();
      EXPECT_GE(*asked, settles);
      EXPECT_EQ(deploy("good", *good_).state, release_state::active);
    }
  });
  for (const auto& s : r.samples) ADD_FAILURE() << s;
  EXPECT_EQ(r.answered, r.scheduled);
}

TEST_F(failure_matrix, of_two_swaps_at_once_one_is_busy_and_the_other_whole) {
  const auto r = under_load([this](load_client&) {
    server other(
        judged("other", [](client& c, const seen_request& q, int) { return answer(c, q, "other"); }));
    for (int i = 0; i < rounds(5, 100); ++i) {
      auto first = service_->async_deploy(spec("other", other), boost::asio::use_future);
      auto second = service_->async_deploy(spec("good", *good_), boost::asio::use_future);
      const auto a = first.get(), b = second.get();
      EXPECT_TRUE(a && a->state == release_state::active);
      EXPECT_TRUE(!b && b.error().code == osvm::errc::busy);
      EXPECT_EQ(served(), "other");
      const auto back = service_->async_rollback(spec("", *good_), boost::asio::use_future).get();
      EXPECT_TRUE(back && back->version == "good");
      const auto again = service_->async_rollback(spec("", *good_), boost::asio::use_future).get();
      EXPECT_TRUE(again && again->version == "other");  // a roll-back of the roll-back
      EXPECT_EQ(deploy("good", *good_).state, release_state::active);
    }
  });
  for (const auto& s : r.samples) ADD_FAILURE() << s;
  EXPECT_EQ(r.answered, r.scheduled);
}

// The body is longer than all buffers: it is still on its way when the shift has happened, and comes whole
// from the release that began it, to a client that reads slowly at first.
TEST_F(failure_matrix, a_streaming_body_comes_whole_across_a_shift) {
  const std::uint64_t size = rounds(0, 1) == 0 ? std::uint64_t{32} << 20 : std::uint64_t{1} << 30;
  const std::string block(64 * 1024, 's');
  server streams(judged("streams", [&](client& c, const seen_request& q, int) {
    if (!q.has("GET /stream")) return answer(c, q, "streams");
    if (!c.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n")) return false;
    for (std::uint64_t sent = 0; sent < size; sent += block.size()) {
      if (!c.send(block)) return false;
    }
    return true;
  }));
  const auto r = under_load([&](load_client&) {
    for (int i = 0; i < rounds(5, 10); ++i) {
      ASSERT_EQ(deploy("streams", streams).state, release_state::active);
      auto c = connect();
      c.send("GET /stream HTTP/1.1\r\nHost: t\r\n\r\n");
      ASSERT_NE(c.read_until("\r\n\r\n"), "");
      std::uint64_t got = c.read(random_() % 100'000).size();
      auto shifting = service_->async_deploy(spec("good", *good_), boost::asio::use_future);
      ASSERT_TRUE(eventually([&] { return served() == "good"; }, 60s));
      while (got < size) {
        const auto part = c.read(std::min<std::uint64_t>(1 << 20, size - got), 60s);
        ASSERT_FALSE(part.empty()) << got;
        ASSERT_EQ(part.find_first_not_of('s'), std::string::npos);
        got += part.size();
      }
      const auto done = shifting.get();
      ASSERT_TRUE(done);
      EXPECT_EQ(done->state, release_state::active);
      EXPECT_EQ(done->cut, 0U);
    }
  });
  for (const auto& s : r.samples) ADD_FAILURE() << s;
  EXPECT_EQ(r.answered, r.scheduled);
}

// Clients that send byte by byte, or read nothing, hold their own connection only.
TEST_F(failure_matrix, slow_clients_hold_nobody_else_up) {
  const auto r = under_load([this](load_client& load) {
    for (int i = 0; i < rounds(5, 100); ++i) {
      std::vector<client> slow;
      for (int k = 0; k < 20; ++k) {
        slow.push_back(connect());
        slow.back().send(k % 2 == 0 ? "GET / HTTP/1.1\r\nX: y" : "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
      }
      const auto seen = load.progress().answered;
      ASSERT_TRUE(eventually([&] { return load.progress().answered > seen + 10; }, 60s));
      EXPECT_EQ(deploy("good", *good_).state, release_state::active);
      for (std::size_t k = 0; k < slow.size(); k += 2) {
        slow[k].send("\r\nHost: t\r\n\r\n");
        EXPECT_EQ(slow[k].receive().status, 200U);
      }
    }
  });
  for (const auto& s : r.samples) ADD_FAILURE() << s;
  EXPECT_EQ(r.answered, r.scheduled);
}

TEST_F(failure_matrix, long_targets_and_pipelines_are_answered_or_refused_in_order) {
  for (int i = 0; i < rounds(5, 100); ++i) {
    auto c = connect();
    c.send("GET /" + std::string(100 * 1024, 'u') + " HTTP/1.1\r\nHost: t\r\n\r\n");
    const auto refused = c.receive().status;
    EXPECT_TRUE(refused == 414 || refused == 431) << refused;
    auto p = connect();
    std::string all;
    const auto n = 1 + random_() % 40;
    for (unsigned k = 0; k < n; ++k)
      all += "GET / HTTP/1.1\r\nHost: t\r\nX-Osvm-Nonce: n" + std::to_string(k) + "\r\n\r\n";
    p.send(all);
    for (unsigned k = 0; k < n; ++k) EXPECT_EQ(p.receive().header("x-osvm-nonce"), "n" + std::to_string(k));
  }
}

}  // namespace
}  // namespace osvm::test
