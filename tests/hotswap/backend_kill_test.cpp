// Backends that are killed under load: what may be asked twice, or was not delivered, is answered; what may
// have been executed is never asked again.
#include "hotswap/support/rounds.hpp"
#include "hotswap/support/web_process.hpp"

#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/gateway.hpp>
#include <osvm/hotswap/load_client.hpp>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>

#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <random>

namespace osvm::test {
namespace {

using namespace hotswap;

class backend_kill : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b"})
      backends_.push_back(std::make_unique<web_process>(dir_ + "/" + name, name, dir_ + "/journal"));
    const auto config = parse_gateway_config(
        "listeners:\n  - {listen: \"unix:" + dir_ +
        "/front\", routes: [{service: web}]}\nservices:\n"
        "  web: {probe: {kind: tcp, deadline: 60s}, eject: {time: 50ms, max_time: 50ms}, backends: [\"" +
        backends_[0]->endpoint_text() + "\", \"" + backends_[1]->endpoint_text() + "\"]}\n");
    ASSERT_TRUE(config) << config.error().to_string();
    auto made = gateway::open({loop_.get_executor()}, *config, {});
    ASSERT_TRUE(made) << made.error().to_string();
    gateway_ = std::make_unique<gateway>(std::move(*made));
    std::promise<bool> begun;
    gateway_->begin([&](const std::string&, const result<shift_report>& r) {
      begun.set_value(r && r->state == release_state::active);
    });
    ASSERT_TRUE(begun.get_future().get());
  }
  ~backend_kill() override {
    gateway_.reset();
    loop_.stop();
    std::filesystem::remove_all(dir_);
  }
  load_options options() const {
    load_options o;
    o.target = unix_endpoint{dir_ + "/front"};
    o.rate = 300;
    o.duration = std::chrono::hours(1);
    o.connections = 32;
    o.timeout = 60s;
    o.version_header.clear();
    return o;
  }
  // One of the two is killed at a random moment and started again, so often; meanwhile `load` goes on.
  load_report kill_under(load_client& load, int times) {
    auto done = load.async_run(boost::asio::use_future);
    std::mt19937 random(7);
    const auto answered = [&](std::uint64_t more) {
      const auto seen = load.progress().answered;
      EXPECT_TRUE(eventually([&] { return load.progress().answered >= seen + more; }, 60s));
    };
    for (int i = 0; i < times; ++i) {
      answered(10);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 3'000));  // any moment
      auto& victim = *backends_[static_cast<std::size_t>(i % 2)];
      victim.kill9();
      answered(10);
      EXPECT_TRUE(victim.start());
    }
    load.stop();
    auto r = done.get();
    EXPECT_TRUE(r);
    return r ? *r : load_report{};
  }
  std::map<std::string, int> executed() const {
    std::map<std::string, int> times;
    std::ifstream journal(dir_ + "/journal");
    for (std::string nonce, release; journal >> nonce >> release;) ++times[nonce];
    return times;
  }

  std::string dir_ = temp_folder();
  runtime loop_;
  std::vector<std::unique_ptr<web_process>> backends_;
  std::unique_ptr<gateway> gateway_;
};

TEST_F(backend_kill, idempotent_requests_are_all_answered) {
  auto o = options();
  o.requests = {{.path = "/"}, {.method = "PUT", .path = "/echo", .body = "{nonce}", .expected = "{nonce}"}};
  load_client load(loop_.get_executor(), o);
  const auto r = kill_under(load, rounds(10, 200));
  for (const auto& s : r.samples) ADD_FAILURE() << s;
  EXPECT_EQ(r.answered, r.scheduled);
  EXPECT_GT(gateway_->listeners()[0].stats.retried, 0U);
  const auto services = gateway_->services();
  for (const auto& b : services.at("web").backends) EXPECT_GT(b.ejections, 0U) << b.where;
}

// What was delivered may fail, and is told so; it is never delivered twice.
TEST_F(backend_kill, what_changes_something_is_done_at_most_once_and_what_was_answered_is_done) {
  auto o = options();
  o.requests = {{.method = "POST", .path = "/store", .expected = "stored {size}", .upload = 4'000}};
  load_client load(loop_.get_executor(), o);
  const auto r = kill_under(load, rounds(10, 200));
  EXPECT_EQ(r.scheduled, r.answered + r.status + r.truncated) << (r.samples.empty() ? "" : r.samples[0]);
  EXPECT_EQ(r.wrong_content + r.wrong_nonce + r.timeout, 0U);
  const auto done = executed();
  EXPECT_GE(done.size(), r.answered);
  for (const auto& [nonce, times] : done) EXPECT_EQ(times, 1) << nonce;
}

}  // namespace
}  // namespace osvm::test
