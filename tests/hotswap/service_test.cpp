// The release engine with a scripted source: every way into and out of service.
#include "hotswap/support/fixture.hpp"

#include <osvm/hotswap/release.hpp>

#include <boost/asio/post.hpp>

#include <filesystem>
#include <map>
#include <optional>

namespace osvm::test {
namespace {

using namespace hotswap;

using start_handler = boost::asio::any_completion_handler<void(result<std::shared_ptr<lease>>)>;
using void_handler = boost::asio::any_completion_handler<void(result<void>)>;

// An in-process server as an instance, which a test can end.
class fake_instance final : public lease {
 public:
  explicit fake_instance(server::script s) : server_(std::move(s)), where_(server_.where()) {}
  const endpoint& where() const noexcept override { return where_; }
  void async_lost(boost::asio::any_completion_handler<void(std::string)> handler) override {
    std::lock_guard lock(mutex_);
    if (crashed_) return std::move(handler)(reason_);
    handler_.emplace(std::move(handler));  // not assigned: that is broken in Boost 1.81
  }
  // Ends as a crash does: connections are cut, then the loss is told.
  void crash(const std::string& reason) {
    server_.stop();
    std::lock_guard lock(mutex_);
    crashed_ = true;
    reason_ = reason;
    if (handler_ && *handler_) std::move (*handler_)(reason);
  }
  void stop() { server_.stop(); }

 private:
  server server_;
  endpoint where_;
  std::mutex mutex_;
  bool crashed_ = false;
  std::string reason_;
  std::optional<boost::asio::any_completion_handler<void(std::string)>> handler_;
};

// What a release does, by the name in release_spec::artifact.
class fake_source final : public instance_source {
 public:
  explicit fake_source(executor ex) : ex_(std::move(ex)) {}

  void async_start(const release_spec& spec, std::stop_token stop, start_handler handler) override {
    ++started;
    if (spec.artifact == "no start") {
      return finish(std::move(handler), error(osvm::errc::not_found, "no such program"));
    }
    if (spec.artifact == "never starts") {
      waiting_ = std::make_unique<start_handler>(std::move(handler));
      token_ = stop;
      return;
    }
    auto i = std::make_shared<fake_instance>(script_of(spec));
    {
      std::lock_guard lock(mutex_);
      instances_[spec.version] = i;
    }
    finish(std::move(handler), std::shared_ptr<lease>(i));
    if (spec.artifact == "crashes at start") crash(spec.version);
  }

  void async_stop(std::shared_ptr<lease> which, std::chrono::nanoseconds, void_handler handler) override {
    ++stopped;
    static_cast<fake_instance&>(*which).stop();
    boost::asio::post(ex_, [h = std::move(handler)]() mutable { std::move(h)(result<void>()); });
  }

  void crash(const std::string& version) { find(version)->crash("exit status 3"); }
  // A start that was given up completes after all.
  void start_late() { finish(std::move(*waiting_), std::make_shared<fake_instance>(release_script("late"))); }
  void let_be_healthy() { *healthy_ = true; }
  bool given_up() const { return token_.stop_requested(); }
  std::atomic<int> started{0}, stopped{0};

 private:
  static server::script answer(std::string text) {
    return [text](client& c) {
      while (read_request(c) && c.send(text)) {
      }
    };
  }
  server::script script_of(const release_spec& spec) {
    if (spec.artifact == "healthy when told") {
      return [healthy = healthy_, good = release_script(spec.version)](client& c) {
        if (*healthy) return good(c);
        if (read_request(c)) c.send("HTTP/1.1 503 Not yet\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      };
    }
    if (spec.artifact == "slow under traffic") {
      return [](client& c) {
        while (const auto r = read_request(c)) {
          if (!r->has("osvm-probe")) std::this_thread::sleep_for(15ms);
          c.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
      };
    }
    if (spec.artifact == "unhealthy") return answer("HTTP/1.1 503 Not yet\r\nContent-Length: 0\r\n\r\n");
    if (spec.artifact == "hangs") return [](client& c) { c.at_end(10s); };
    if (spec.artifact == "500 when warm") {
      return [](client& c) {
        while (const auto r = read_request(c)) {
          const std::string status = r->has("/healthz") ? "200 OK" : "500 Broken";
          c.send("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n");
        }
      };
    }
    if (spec.artifact == "500 under traffic") {
      return [](client& c) {
        while (const auto r = read_request(c)) {
          const std::string status = r->has("osvm-probe") ? "200 OK" : "500 Broken";
          c.send("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n");
        }
      };
    }
    return release_script(spec.version);
  }
  void finish(start_handler handler, result<std::shared_ptr<lease>> r) {
    boost::asio::post(ex_,
                      [h = std::move(handler), r = std::move(r)]() mutable { std::move(h)(std::move(r)); });
  }
  std::shared_ptr<fake_instance> find(const std::string& version) {
    std::lock_guard lock(mutex_);
    return instances_.at(version);
  }

  executor ex_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<fake_instance>> instances_;
  std::shared_ptr<std::atomic<bool>> healthy_ = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<start_handler> waiting_;
  std::stop_token token_;
};

class release_engine : public proxy_fixture {
 protected:
  void SetUp() override {
    start(proxy_mode::l7);
    source_ = std::make_shared<fake_source>(loop_->get_executor());
    begin_service(nullptr);
  }
  void begin_service(std::shared_ptr<release_store> store) {
    service_.reset();
    service_options o;
    o.store = std::move(store);
    o.on_event = [this](const release_event& e) {
      std::lock_guard lock(mutex_);
      events_.push_back(e.version + " " + to_string(e.state));
    };
    service_ = std::make_unique<service>(loop_->get_executor(), *proxy_, source_, o);
  }
  void TearDown() override {
    service_.reset();
    proxy_fixture::TearDown();
    loop_.reset();
  }
  static release_spec spec(const std::string& version, const std::string& artifact = "good") {
    release_spec s;
    s.version = version;
    s.artifact = artifact;
    s.probe.path = "/healthz";
    // A deadline is short only where it is to pass: a stalled machine must not let another one pass first.
    const bool never_healthy = artifact == "unhealthy" || artifact == "hangs";
    s.probe.deadline = never_healthy ? 300ms : 20s;
    s.probe.interval = 5ms;
    s.start_deadline = artifact == "never starts" ? 300ms : 20s;
    s.drain_deadline = 10s;
    return s;
  }
  std::future<result<shift_report>> begin(release_spec s) {
    return service_->async_deploy(std::move(s), boost::asio::use_future);
  }
  shift_report deploy(release_spec s) {
    auto r = begin(std::move(s)).get();
    EXPECT_TRUE(r) << r.error().to_string();
    return r ? *r : shift_report{};
  }
  result<void> command(service_command c) {
    return service_->async_command(c, {}, boost::asio::use_future).get();
  }
  result<shift_report> roll_back() {
    return service_->async_rollback(spec("ignored"), boost::asio::use_future).get();
  }
  result<shift_report> recover() {
    return service_->async_recover(spec("ignored"), boost::asio::use_future).get();
  }
  std::string served() { return connect().get("/").body; }
  std::vector<std::string> events() {
    std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
  }

  std::shared_ptr<fake_source> source_;
  std::unique_ptr<service> service_;
  std::mutex mutex_;
  std::vector<std::string> events_;
};

TEST_F(release_engine, a_good_release_takes_over_and_the_old_one_retires) {
  const auto first = deploy(spec("v1"));
  EXPECT_EQ(first.state, release_state::active) << first.reason;
  EXPECT_EQ(first.replaced, "");
  EXPECT_EQ(first.warmup_requests, 3U);
  EXPECT_EQ(served(), "hello v1\n");
  const auto second = deploy(spec("v2"));
  EXPECT_EQ(second.state, release_state::active);
  EXPECT_EQ(second.replaced, "v1");
  EXPECT_EQ(second.generation, first.generation + 1);
  EXPECT_EQ(served(), "hello v2\n");
  EXPECT_EQ(service_->active(), "v2");
  EXPECT_EQ(source_->stopped, 1);
  const std::vector<std::string> wanted = {"v1 starting", "v1 probing", "v1 warming", "v1 active",
                                           "v2 starting", "v2 probing", "v2 warming", "v2 active",
                                           "v1 draining", "v1 retired"};
  std::vector<std::string> seen;
  EXPECT_TRUE(eventually([&] {
    for (auto& e : events()) seen.push_back(std::move(e));
    return seen.size() >= wanted.size();
  }));
  EXPECT_EQ(seen, wanted);
}

struct rejection {
  const char* artifact;
  release_state step;
  osvm::error_code code;
};

TEST_F(release_engine, every_bad_release_is_rejected_and_the_old_one_serves_on) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  const rejection all[] = {
      {"no start", release_state::starting, make_error_code(osvm::errc::not_found)},
      {"never starts", release_state::starting, make_error_code(osvm::errc::timed_out)},
      {"crashes at start", release_state::probing, make_error_code(hotswap::errc::instance_lost)},
      {"unhealthy", release_state::probing, make_error_code(hotswap::errc::probe_failed)},
      {"hangs", release_state::probing, make_error_code(hotswap::errc::probe_failed)},
      {"500 when warm", release_state::warming, make_error_code(hotswap::errc::probe_failed)},
  };
  for (const auto& c : all) {
    const auto r = deploy(spec("v2", c.artifact));
    EXPECT_EQ(r.state, release_state::rejected) << c.artifact;
    EXPECT_STREQ(to_string(r.failed_at), to_string(c.step)) << c.artifact;
    EXPECT_EQ(r.code, c.code) << c.artifact << ": " << r.reason;
    EXPECT_FALSE(r.reason.empty());
    EXPECT_EQ(r.replaced, "v1");
    EXPECT_EQ(r.generation, 0U);
    EXPECT_NE(r.describe().find("v1 serves on"), std::string::npos) << r.describe();
    EXPECT_EQ(served(), "hello v1\n") << c.artifact;
    EXPECT_EQ(service_->active(), "v1");
  }
  EXPECT_EQ(source_->stopped, 4);  // each instance that had started
  EXPECT_EQ(deploy(spec("v3")).state, release_state::active);
}

TEST_F(release_engine, a_start_that_succeeds_after_its_deadline_is_stopped) {
  EXPECT_EQ(deploy(spec("v1", "never starts")).state, release_state::rejected);
  EXPECT_TRUE(source_->given_up());
  source_->start_late();
  EXPECT_TRUE(eventually([&] { return source_->stopped == 1; }));
}

TEST_F(release_engine, a_second_deploy_at_the_same_time_is_busy) {
  auto slow = begin(spec("v1", "unhealthy"));
  const auto second = begin(spec("v2")).get();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, osvm::errc::busy);
  EXPECT_EQ(slow.get()->state, release_state::rejected);
  EXPECT_EQ(deploy(spec("v2")).state, release_state::active);
}

TEST_F(release_engine, rolls_back_when_real_traffic_fails_in_the_bake_window) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  auto bad = spec("v2", "500 under traffic");
  bad.bake.window = 5s;
  bad.bake.check = 10ms;
  bad.bake.min_requests = 10;
  auto pending = begin(bad);
  auto c = connect();
  ASSERT_TRUE(eventually([&] { return service_->active() == "v2"; }));
  while (pending.wait_for(0ms) != std::future_status::ready) c.get("/");
  const auto r = pending.get();
  ASSERT_TRUE(r);
  EXPECT_EQ(r->state, release_state::rolled_back);
  EXPECT_EQ(r->failed_at, release_state::active);
  EXPECT_LT(r->bake, 5s);
  EXPECT_NE(r->reason.find("requests failed"), std::string::npos);
  EXPECT_EQ(served(), "hello v1\n");
  EXPECT_EQ(service_->active(), "v1");
}

TEST_F(release_engine, good_traffic_passes_the_bake_window) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  auto good = spec("v2");
  good.bake.window = 100ms;
  good.bake.check = 10ms;
  good.bake.min_requests = 5;
  auto pending = begin(good);
  auto c = connect();
  while (pending.wait_for(0ms) != std::future_status::ready) c.get("/");
  EXPECT_EQ(pending.get()->state, release_state::active);
  EXPECT_EQ(served(), "hello v2\n");
}

TEST_F(release_engine, rolls_back_when_the_instance_is_lost_in_the_bake_window) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  auto s = spec("v2");
  s.bake.window = 10s;
  auto pending = begin(s);
  ASSERT_TRUE(eventually([&] { return service_->active() == "v2"; }));
  source_->crash("v2");
  const auto r = pending.get();
  ASSERT_TRUE(r);
  EXPECT_EQ(r->state, release_state::rolled_back);
  EXPECT_EQ(r->code, hotswap::errc::instance_lost);
  EXPECT_NE(r->reason.find("exit status 3"), std::string::npos);
  EXPECT_EQ(served(), "hello v1\n");
}

TEST_F(release_engine, with_nothing_to_go_back_to_a_lost_release_is_retired) {
  auto s = spec("v1");
  s.bake.window = 10s;
  auto pending = begin(s);
  ASSERT_TRUE(eventually([&] { return service_->active() == "v1"; }));
  source_->crash("v1");
  const auto r = pending.get();
  ASSERT_TRUE(r);
  EXPECT_EQ(r->state, release_state::retired);
  EXPECT_EQ(service_->active(), std::nullopt);
  EXPECT_EQ(connect().get("/").status, 503U);
}

TEST_F(release_engine, a_release_lost_in_service_is_told_and_unrouted) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  source_->crash("v1");
  EXPECT_TRUE(eventually([&] { return service_->active() == std::nullopt; }));
  std::vector<std::string> seen;
  EXPECT_TRUE(eventually([&] {
    for (auto& e : events()) seen.push_back(e);
    return !seen.empty() && seen.back() == "v1 retired";
  }));
  EXPECT_EQ(connect().get("/").status, 503U);
  EXPECT_EQ(deploy(spec("v2")).state, release_state::active);
  EXPECT_EQ(served(), "hello v2\n");
}

TEST_F(release_engine, a_release_lost_while_its_successor_fails_is_not_forgotten) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  auto pending = begin(spec("v2", "unhealthy"));
  source_->crash("v1");
  EXPECT_EQ(pending.get()->state, release_state::rejected);
  EXPECT_TRUE(eventually([&] { return service_->active() == std::nullopt; }));
}

TEST_F(release_engine, the_drain_deadline_is_in_the_report) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  auto c = connect();
  c.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhalf");
  ASSERT_TRUE(eventually([&] { return proxy_->release(proxy_->generation())->inflight == 1; }));
  auto s = spec("v2");
  s.drain_deadline = 100ms;
  const auto r = deploy(s);
  EXPECT_EQ(r.state, release_state::active);
  EXPECT_EQ(r.cut, 1U);
  EXPECT_EQ(r.drained, 0U);
  EXPECT_GE(r.drain, 100ms);
}

TEST_F(release_engine, stop_drains_and_retires) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  const auto r = service_->async_stop(1s, boost::asio::use_future).get();
  ASSERT_TRUE(r);
  EXPECT_EQ(r->cut, 0U);
  EXPECT_EQ(source_->stopped, 1);
  EXPECT_EQ(connect().get("/").status, 503U);
  EXPECT_EQ(begin(spec("v2")).get().error().code, osvm::errc::closed);
}

TEST_F(release_engine, stop_gives_up_a_deploy) {
  auto pending = begin(spec("v1", "unhealthy"));
  ASSERT_TRUE(eventually([&] { return source_->started == 1; }));
  EXPECT_TRUE(service_->async_stop(1s, boost::asio::use_future).get());
  EXPECT_EQ(pending.get().error().code, osvm::errc::cancelled);
  EXPECT_TRUE(eventually([&] { return source_->stopped == 1; }));
}

TEST_F(release_engine, is_destroyed_in_the_middle_of_a_deploy) {
  for (const auto* artifact : {"unhealthy", "never starts", "good"}) {
    auto pending = begin(spec("v1", artifact));
    service_.reset();
    const auto r = pending.get();
    EXPECT_TRUE(r || r.error().code == osvm::errc::cancelled);
    service_ = std::make_unique<service>(loop_->get_executor(), *proxy_, source_);
  }
}

TEST_F(release_engine, wrong_specs_are_errors) {
  auto s = spec("v1");
  s.probe.path = "/ HTTP/1.1\r\nEvil: 1";
  EXPECT_EQ(begin(s).get().error().code, osvm::errc::invalid_argument);
  s = spec("v1");
  s.probe.successes = 0;
  EXPECT_EQ(begin(s).get().error().code, osvm::errc::invalid_argument);
}

// --- canary, commands, roll-back ---

TEST_F(release_engine, a_canary_gets_its_share_and_no_more) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  auto s = spec("v2");
  s.canary = {{20, 60'000ms}};
  auto pending = begin(s);
  ASSERT_TRUE(eventually([&] { return service_->status().share == 20; }));
  int canary = 0;
  auto c = connect();
  for (int i = 0; i < 200; ++i) canary += c.get("/").body == "hello v2\n" ? 1 : 0;
  EXPECT_EQ(canary, 40);  // the share is given out evenly, not by chance
  EXPECT_EQ(service_->status().active, "v1");
  EXPECT_EQ(service_->status().next, "v2");
  ASSERT_TRUE(command(service_command::abort));
  const auto r = pending.get();
  ASSERT_TRUE(r);
  EXPECT_EQ(r->state, release_state::rolled_back);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(served(), "hello v1\n");
}

TEST_F(release_engine, canary_stages_end_in_the_whole_shift) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  auto s = spec("v2");
  s.canary = {{1, 20ms}, {50, 20ms}};
  const auto r = deploy(s);
  EXPECT_EQ(r.state, release_state::active) << r.reason;
  EXPECT_EQ(served(), "hello v2\n");
  EXPECT_EQ(source_->stopped, 1);
}

TEST_F(release_engine, a_failing_canary_is_rolled_back) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  auto s = spec("v2", "500 under traffic");
  s.canary = {{50, 60'000ms}};
  auto pending = begin(s);
  const bool decided = eventually([&] {
    (void)served();
    return pending.wait_for(0ms) == std::future_status::ready;
  });
  ASSERT_TRUE(decided);
  EXPECT_EQ(pending.get()->state, release_state::rolled_back);
  EXPECT_EQ(served(), "hello v1\n");
}

TEST_F(release_engine, is_rolled_back_for_its_p99) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  auto s = spec("v2", "slow under traffic");
  s.bake.window = 60'000ms;
  s.bake.max_p99 = 10ms;
  auto pending = begin(s);
  const bool decided = eventually(
      [&] {
        (void)served();
        return pending.wait_for(0ms) == std::future_status::ready;
      },
      30s);
  ASSERT_TRUE(decided);
  const auto r = pending.get();
  EXPECT_EQ(r->state, release_state::rolled_back);
  EXPECT_NE(r->reason.find("99 %"), std::string::npos) << r->reason;
}

TEST_F(release_engine, paused_it_waits_before_it_gets_traffic) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  EXPECT_FALSE(command(service_command::pause));  // nothing is under way
  auto s = spec("v2", "healthy when told");
  auto pending = begin(s);
  ASSERT_TRUE(eventually([&] { return service_->status().step == "probing"; }));
  ASSERT_TRUE(command(service_command::pause));
  source_->let_be_healthy();
  ASSERT_TRUE(eventually([&] { return service_->status().step == "warming"; }));
  EXPECT_TRUE(service_->status().paused);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(served(), "hello v1\n");
  ASSERT_TRUE(command(service_command::resume));
  EXPECT_EQ(pending.get()->state, release_state::active);
  EXPECT_EQ(served(), "hello v2\n");
}

TEST_F(release_engine, rolls_back_to_the_release_before_and_back_again) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  EXPECT_EQ(roll_back().error().code, osvm::errc::not_found);
  ASSERT_EQ(deploy(spec("v2")).state, release_state::active);
  auto back = roll_back();
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->state, release_state::active);
  EXPECT_EQ(served(), "hello v1\n");
  ASSERT_TRUE(roll_back());
  EXPECT_EQ(served(), "hello v2\n");
}

TEST_F(release_engine, a_roll_back_in_the_bake_window_ends_the_deployment) {
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  auto s = spec("v2");
  s.bake.window = 60'000ms;
  auto pending = begin(s);
  ASSERT_TRUE(eventually([&] { return service_->status().step == "watching"; }));
  const auto back = roll_back();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->state, release_state::rolled_back);
  EXPECT_EQ(back->version, "v2");
  EXPECT_EQ(pending.get()->state, release_state::rolled_back);
  EXPECT_EQ(served(), "hello v1\n");
}

// --- journal ---

// In memory; can be full.
class memory_store final : public release_store {
 public:
  result<std::optional<std::string>> load() override {
    std::lock_guard lock(mutex);
    return document;
  }
  result<void> save(std::string_view text) override {
    std::lock_guard lock(mutex);
    if (full) return errno_error("save", ENOSPC);
    document = std::string(text);
    return {};
  }
  std::mutex mutex;
  std::optional<std::string> document;
  bool full = false;
};

TEST_F(release_engine, goes_on_with_what_the_store_names) {
  auto store = std::make_shared<memory_store>();
  begin_service(store);
  EXPECT_EQ(recover().error().code, osvm::errc::not_found);
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  ASSERT_EQ(deploy(spec("v2")).state, release_state::active);
  begin_service(store);
  EXPECT_EQ(service_->active(), std::nullopt);
  const auto r = recover();
  ASSERT_TRUE(r) << r.error().to_string();
  EXPECT_EQ(r->version, "v2");
  EXPECT_EQ(served(), "hello v2\n");
  EXPECT_EQ(recover().error().code, osvm::errc::busy);
  EXPECT_EQ(service_->status().previous, "v1");
  ASSERT_TRUE(roll_back());
  EXPECT_EQ(served(), "hello v1\n");
}

TEST_F(release_engine, a_full_store_rejects_the_release_and_the_old_one_serves_on) {
  auto store = std::make_shared<memory_store>();
  begin_service(store);
  ASSERT_EQ(deploy(spec("v1")).state, release_state::active);
  {
    std::lock_guard lock(store->mutex);
    store->full = true;
  }
  const auto r = deploy(spec("v2"));
  EXPECT_EQ(r.state, release_state::rejected);
  EXPECT_NE(r.reason.find("journalled"), std::string::npos) << r.reason;
  EXPECT_EQ(served(), "hello v1\n");
  {
    std::lock_guard lock(store->mutex);
    store->full = false;
  }
  EXPECT_EQ(deploy(spec("v2")).state, release_state::active);
}

TEST_F(release_engine, a_store_with_nonsense_in_it_is_an_error_not_a_fresh_start) {
  auto store = std::make_shared<memory_store>();
  store->document = "nonsense";
  begin_service(store);
  const auto r = begin(spec("v1")).get();
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, osvm::errc::malformed);
}

TEST_F(release_engine, endpoints_can_be_released_without_a_source_of_ones_own) {
  server one(release_script("v1")), two(release_script("v2"));
  service s(loop_->get_executor(), *proxy_, make_endpoint_source(loop_->get_executor()));
  auto a = spec("v1", to_string(one.where())), b = spec("v2", to_string(two.where()));
  EXPECT_EQ(s.async_deploy(a, boost::asio::use_future).get()->state, release_state::active);
  EXPECT_EQ(s.async_deploy(b, boost::asio::use_future).get()->state, release_state::active);
  EXPECT_EQ(served(), "hello v2\n");
  EXPECT_EQ(s.async_deploy(spec("v3", "unix:"), boost::asio::use_future).get()->state,
            release_state::rejected);
}

class probes : public ::testing::Test {
 protected:
  result<probe_report> probe(const endpoint& where, probe_options o,
                             std::chrono::milliseconds deadline = 20s) {
    o.interval = 5ms;
    o.deadline = deadline;
    return async_probe(loop_.get_executor(), where, o, {}, boost::asio::use_future).get();
  }
  runtime loop_;
};

TEST_F(probes, wait_until_the_service_listens) {
  std::unique_ptr<server> late;
  const auto dir = temp_folder();
  const endpoint where = unix_endpoint{dir + "/later"};
  auto pending = async_probe(loop_.get_executor(), where, {.deadline = 5s}, {}, boost::asio::use_future);
  std::this_thread::sleep_for(50ms);
  late = std::make_unique<server>(release_script("v1"));
  ASSERT_EQ(::rename(late->path().c_str(), (dir + "/later").c_str()), 0);
  const auto r = pending.get();
  ASSERT_TRUE(r) << r.error().to_string();
  EXPECT_GT(r->attempts, 1U);
  late.reset();
  std::filesystem::remove_all(dir);
}

TEST_F(probes, look_at_status_and_body) {
  server s(release_script("v1"));
  EXPECT_TRUE(probe(s.where(), {.body = "hello v1"}));
  EXPECT_FALSE(probe(s.where(), {.body = "hello v2"}, 300ms));
  EXPECT_FALSE(probe(s.where(), {.status = 204}, 300ms));
  EXPECT_TRUE(probe(s.where(), {.status = 0}));
  EXPECT_TRUE(probe(s.where(), {.kind = probe_kind::tcp}));
  EXPECT_FALSE(probe(unix_endpoint{"/tmp/osvm-no-such-socket"}, {.kind = probe_kind::tcp}, 300ms));
  EXPECT_EQ(probe(s.where(), {.successes = 3})->attempts, 3U);
}

TEST_F(probes, say_how_the_last_attempt_ended) {
  server s([](client& c) { c.at_end(2s); });
  const auto r = probe(s.where(), {.timeout = 50ms}, 300ms);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, hotswap::errc::probe_failed);
  EXPECT_NE(r.error().context.find("no complete answer"), std::string::npos) << r.error().context;
}

TEST_F(probes, ask_a_node_for_its_health) {
  const auto rpc = [](std::string answer) {
    return [answer](client& c) {
      const auto r = read_request(c);
      const bool right =
          r && r->line() == "POST / HTTP/1.1" && r->body.find("getHealth") != std::string::npos;
      const auto body = right ? answer : "{}";
      c.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
             "\r\nConnection: close\r\n\r\n" + body);
    };
  };
  probe_options o;
  o.kind = probe_kind::rpc_health;
  server good(rpc(R"({"jsonrpc":"2.0","result": "ok","id":1})"));
  EXPECT_TRUE(probe(good.where(), o));
  server behind(rpc(R"({"jsonrpc":"2.0","error":{"code":-32005,"message":"Node is behind"},"id":1})"));
  EXPECT_FALSE(probe(behind.where(), o, 200ms));
}

TEST_F(probes, ask_a_function_of_ones_own) {
  server s(release_script("v1"));
  probe_options o;
  o.kind = probe_kind::custom;
  EXPECT_FALSE(probe(s.where(), o));  // without a function
  int asked = 0;
  o.ask = [&](const endpoint& where, std::stop_token, auto handler) {
    EXPECT_EQ(where, s.where());
    std::move(handler)(++asked < 3 ? result<void>(error(osvm::errc::busy, "not yet")) : result<void>());
  };
  const auto r = probe(s.where(), o);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->attempts, 3U);
  EXPECT_NE(r->last_failure.find("not yet"), std::string::npos);
}

TEST_F(probes, can_be_stopped) {
  std::stop_source stop;
  server s([](client& c) { c.at_end(2s); });
  auto pending = async_probe(loop_.get_executor(), s.where(), {.deadline = 60s}, stop.get_token(),
                             boost::asio::use_future);
  stop.request_stop();
  EXPECT_EQ(pending.get().error().code, osvm::errc::cancelled);
}

}  // namespace
}  // namespace osvm::test
