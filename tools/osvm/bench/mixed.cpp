#include "mixed.hpp"

#include <osvm/hotswap/gateway.hpp>
#include <osvm/hotswap/load_client.hpp>
#include <osvm/net/throwaway_identity.hpp>
#include <osvm/unikernel/instance.hpp>

#include <boost/asio/use_future.hpp>

#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <optional>
#include <thread>

#include "../guest_programs.hpp"
#include "load.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using hotswap::load_kind;
using hotswap::load_options;
using hotswap::load_request;

constexpr const char* host_name = "osvm.bench";
constexpr unikernel::listener served_port{unikernel::transport::tcp, 8080};

// One kind of traffic. Sessions take a fraction of a second: shorter than a drain.
struct kind {
  const char* name;
  const char* listener;
  double share;  // of the rate
  load_request request;
  bool keep_alive = true, http2 = false;
};

std::vector<kind> kinds() {
  const load_request get{.path = "/"};
  const load_request events{
      .kind = load_kind::events, .path = "/events?n=10&ms=5", .expected = "{nonce} {n}", .messages = 10};
  const load_request talk{.kind = load_kind::websocket, .path = "/socket", .messages = 5};
  const auto store = [](std::uint64_t size) {
    return load_request{.method = "POST", .path = "/store", .expected = "stored {size}", .upload = size};
  };
  return {{"keep_alive", "plain", 0.40, get},
          {"close", "plain", 0.12, get, false},
          {"tls", "tls", 0.15, get},
          {"http2", "tls", 0.15, get, true, true},
          {"http2_store", "tls", 0.05, store(10'000), true, true},
          {"events", "plain", 0.03, events},
          {"websocket", "plain", 0.03, talk},
          {"upload", "plain", 0.01, store(1 << 20)},
          {"tcp", "tcp", 0.06, get, false}};
}

struct running_load {
  std::string name;
  std::unique_ptr<hotswap::load_client> client;
  std::future<result<hotswap::load_report>> done;
};

class mixed_run {
 public:
  mixed_run(environment& env, report& out, const mixed_options& options)
      : env_(env), out_(out), options_(options) {}

  result<void> run() {
    OSVM_TRY(const auto program, find_guest("http_server"));
    OSVM_TRY(image_, unikernel::image::load(program));
    journal_dir_ = env_.sockets.path() + "/journal";
    std::filesystem::create_directory(journal_dir_);
    OSVM_CHECK(open_gateway());
    start_loads();
    const auto shifted = shift_all();
    std::this_thread::sleep_for(options_.pause);
    OSVM_CHECK(finish_loads());
    OSVM_CHECK(shifted);
    check_journal();
    return {};
  }
  ~mixed_run() {
    loads_.clear();
    gateway_.reset();
  }

 private:
  std::string version_of(unsigned n) const { return "r" + std::to_string(n); }

  result<endpoint> start(unsigned n) {
    auto options = env_.options(version_of(n));
    options.arguments = {"http_server", std::to_string(served_port.port), version_of(n), "--journal",
                         "/journal/done"};
    options.policy.listen = {served_port};
    options.policy.mounts = {{.host_path = journal_dir_,
                              .guest_path = "/journal",
                              .writable = true,
                              .quota_bytes = std::uint64_t{1} << 30}};
    options.budgets.memory_bytes = std::uint64_t{256} << 20;
    OSVM_TRY(auto made, unikernel::instance::create(env_.loop.get_executor(), *image_, std::move(options)));
    next_.emplace(std::move(made));
    return next_->wait_listening(served_port, 10s);
  }

  result<void> open_gateway() {
    OSVM_TRY(identity_, net::make_throwaway_identity(host_name));
    hotswap::gateway_config config;
    for (const char* name : {"plain", "tls", "tcp"}) {
      hotswap::listener_config l;
      l.name = name;
      l.options.listen = tcp_endpoint{"127.0.0.1", 0};
      if (l.name == "tcp") l.options.mode = hotswap::proxy_mode::l4;
      if (l.name == "tls") l.options.tls.emplace().certificates = {{identity_.certificate, identity_.key}};
      l.routes = {{.service = "web"}};
      config.listeners.push_back(std::move(l));
    }
    auto& service = config.services["web"];
    service.release = version_of(0);
    OSVM_TRY(const auto first, start(0));
    service.backends = {first};
    service.shift.probe.path = "/health";
    service.shift.probe.interval = 1ms;
    service.shift.drain_deadline = 30s;
    const std::vector<executor> executors(2, env_.loop.get_executor());
    OSVM_TRY(auto opened, hotswap::gateway::open(executors, std::move(config), {}));
    gateway_.emplace(std::move(opened));
    std::promise<result<hotswap::shift_report>> begun;
    gateway_->begin(
        [&](const std::string&, result<hotswap::shift_report> r) { begun.set_value(std::move(r)); });
    OSVM_TRY(const auto report, begun.get_future().get());
    if (report.state != hotswap::release_state::active) return error(errc::malformed, report.describe());
    now_.swap(next_);
    return {};
  }

  void start_loads() {
    std::map<std::string, endpoint> where;
    for (const auto& l : gateway_->listeners()) where.emplace(l.name, l.where);
    for (const auto& k : kinds()) {
      load_options o;
      o.target = where.at(k.listener);
      o.host = host_name;
      o.rate = options_.rate * k.share;
      o.duration = std::chrono::hours(24);  // ended when the shifts are done
      o.timeout = 20s;
      o.keep_alive = k.keep_alive;
      o.requests = {k.request};
      o.initial_version = version_of(0);
      if (k.http2) o.protocol = hotswap::load_protocol::http2;
      if (k.listener == std::string("tls")) o.tls = hotswap::load_tls{.authorities = identity_.certificate};
      running_load l;
      l.name = k.name;
      l.client = std::make_unique<hotswap::load_client>(env_.loop.get_executor(), std::move(o));
      l.done = l.client->async_run(boost::asio::use_future);
      loads_.push_back(std::move(l));
    }
  }

  result<void> shift_all() {
    for (unsigned i = 1; i <= options_.shifts; ++i) {
      OSVM_CHECK(env_.proceed());
      std::this_thread::sleep_for(options_.pause);
      const stopwatch whole;
      OSVM_TRY(const auto where, start(i));
      const auto version = version_of(i);
      for (auto& l : loads_) l.client->shift_starting(version);
      std::promise<result<hotswap::shift_report>> done;
      gateway_->shift("web", version, {where},
                      [&](result<hotswap::shift_report> r) { done.set_value(std::move(r)); });
      OSVM_TRY(const auto report, done.get_future().get());
      if (report.state != hotswap::release_state::active) return error(errc::malformed, report.describe());
      // The drain is over: nothing of the old release is on its way any more.
      for (auto& l : loads_) l.client->shift_returned(version);
      shift_us_.push_back(static_cast<double>(report.shift.count()) / 1000);
      drain_ms_.push_back(to_ms(report.drain));
      deploy_ms_.push_back(whole.ms());
      cut_ += static_cast<double>(report.cut);
      now_.swap(next_);
      next_.reset();
    }
    return {};
  }

  result<void> finish_loads() {
    hotswap::load_report sum;
    for (auto& l : loads_) l.client->stop();
    for (auto& l : loads_) {
      OSVM_TRY(const auto r, l.done.get());
      add_load_report(out_, "mixed." + l.name, r);
      sum.scheduled += r.scheduled;
      failed_ += r.failed();
      sum.truncated += r.truncated;
      sum.misversioned += r.misversioned;
      if (l.name == "upload" || l.name == "http2_store") stored_ += r.answered;
    }
    out_.value("mixed.requests", "requests", static_cast<double>(sum.scheduled));
    out_.must_be_zero("mixed.failed", "requests", static_cast<double>(failed_));
    out_.must_be_zero("mixed.truncated", "requests", static_cast<double>(sum.truncated));
    out_.must_be_zero("mixed.misversioned", "requests", static_cast<double>(sum.misversioned));
    out_.must_be_zero("mixed.cut", "requests", cut_);
    out_.samples("mixed.shift", "us", shift_us_);
    out_.samples("mixed.drain", "ms", drain_ms_);
    out_.samples("mixed.deploy", "ms", deploy_ms_);
    return {};
  }

  // Each upload that was answered is in the journal, and none is there twice.
  void check_journal() {
    std::map<std::string, unsigned> times;
    std::ifstream journal(journal_dir_ + "/done");
    for (std::string nonce, release; journal >> nonce >> release;) ++times[nonce];
    double twice = 0;
    for (const auto& [nonce, n] : times) twice += n > 1 ? 1 : 0;
    out_.value("mixed.executed", "requests", static_cast<double>(times.size()));
    out_.must_be_zero("mixed.executed_twice", "requests", twice);
    if (times.size() < stored_) out_.fail("the journal lacks uploads that were answered");
  }

  environment& env_;
  report& out_;
  const mixed_options options_;
  std::optional<unikernel::image> image_;
  std::string journal_dir_;
  net::throwaway_identity identity_;
  std::optional<unikernel::instance> now_, next_;
  std::optional<hotswap::gateway> gateway_;
  std::vector<running_load> loads_;
  std::vector<double> shift_us_, drain_ms_, deploy_ms_;
  double cut_ = 0;
  std::uint64_t failed_ = 0, stored_ = 0;
};

}  // namespace

result<void> measure_mixed(environment& env, report& out, const mixed_options& options) {
  return mixed_run(env, out, options).run();
}

}  // namespace osvm::cli::bench
