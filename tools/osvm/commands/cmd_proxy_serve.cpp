#include <osvm/core/runtime.hpp>
#include <osvm/core/text.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>

#include "../context.hpp"
#include "../interrupts.hpp"
#include "../proxy_server.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

constexpr int no_signal = 0;  // a successor has the listeners

class proxy_serve final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("file,c", "FILE", file_, "the configuration (YAML)");
    o.flag("check", check_, "read the configuration, say what is wrong with it, and end");
    o.flag("take-over", take_over_, "take the place of the proxy that runs with this control socket");
    o.value("drain", "TIME", drain_, "at the end: how long connections may go on");
  }

  int run(context& ctx) override {
    if (file_.empty())
      return ctx.fail(error(errc::invalid_argument, "a configuration is missing (try: -c FILE)"),
                      exit_code::usage);
    const auto drain = parse_duration(drain_);
    if (!drain) return ctx.fail(drain.error(), exit_code::usage);
    auto config = hotswap::load_gateway_config(file_);
    if (!config) return ctx.fail(config.error(), exit_code::usage);
    if (check_) {
      if (ctx.json()) ctx.print_json(boost::json::object{{"valid", true}});
      return static_cast<int>(exit_code::done);
    }
    if (take_over_ && config->control.empty()) {
      return ctx.fail(error(errc::invalid_argument, file_ + " names no `control` socket to take over by"),
                      exit_code::usage);
    }
    return serve(ctx, std::move(*config), *drain);
  }

 private:
  struct signals {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<int> came;
  };

  int serve(context& ctx, hotswap::gateway_config config, std::chrono::nanoseconds drain) {
    const unsigned threads =
        config.threads != 0 ? config.threads : std::max(1U, std::thread::hardware_concurrency());
    // Signals are taken on a loop of their own: the proxy's threads have enough to do.
    runtime control({.threads = 1});
    std::vector<std::unique_ptr<runtime>> loops;
    std::vector<executor> executors;
    for (unsigned i = 0; i < threads; ++i) {
      loops.push_back(std::make_unique<runtime>(runtime_options{.threads = 1}));
      executors.push_back(loops.back()->get_executor());
    }
    signals s;
    interrupts on(control.get_executor(), [&s](int number) {
      std::lock_guard lock(s.mutex);
      s.came.push_back(number);
      s.changed.notify_one();
    });
    std::optional<take_over> before;
    if (take_over_) {
      auto begun = take_over::begin(config.control);
      if (!begun) return ctx.fail(begun.error());
      before = std::move(*begun);
    }
    auto handed_over = [&s] {
      std::lock_guard lock(s.mutex);
      s.came.push_back(no_signal);
      s.changed.notify_one();
    };
    auto tell = [&ctx](const std::string& line) { ctx.note(printable(line, 4096)); };
    auto server = proxy_server::open(std::move(executors), file_, std::move(config), tell, handed_over,
                                     before ? &*before : nullptr);
    if (!server) return ctx.fail(server.error());
    if (auto begun = (*server)->begin(); !begun) return ctx.fail(begun.error());
    if (before) {
      if (auto done = (*server)->succeed(*before); !done) return ctx.fail(done.error());
      before.reset();
    }
    announce(ctx, **server);
    for (;;) {
      std::unique_lock lock(s.mutex);
      s.changed.wait(lock, [&s] { return !s.came.empty(); });
      const int number = s.came.front();
      s.came.pop_front();
      lock.unlock();
      if (number == no_signal) {
        (*server)->leave(drain);
        return static_cast<int>(exit_code::done);
      }
      if (number != SIGHUP) break;
      const auto done = (*server)->reload();
      tell(done ? "reloaded " + file_ : "not reloaded: " + done.error().to_string());
    }
    (*server)->stop(drain);
    return static_cast<int>(exit_code::done);
  }

  static void announce(const context& ctx, const proxy_server& server) {
    boost::json::array all;
    for (const auto& l : server.listeners()) {
      all.push_back(boost::json::object{{"name", l.name}, {"listen", to_string(l.where)}});
      if (!ctx.json()) ctx.print(l.name + " listens on " + to_string(l.where) + "\n");
    }
    if (ctx.json()) ctx.print_json(boost::json::object{{"listeners", std::move(all)}});
    std::cout.flush();
  }

  std::string file_, drain_ = "30s";
  bool check_ = false, take_over_ = false;
};

}  // namespace

extern const command cmd_proxy_serve_entry;
const command cmd_proxy_serve_entry{
    .path = "proxy serve",
    .summary = "run the proxy that a configuration describes (SIGHUP: read it anew)",
    .examples =
        "  osvm proxy -c proxy.yaml\n  osvm proxy serve -c proxy.yaml --check\n"
        "  kill -HUP $(pidof osvm)        # read it anew, without losing a request\n"
        "  osvm proxy -c proxy.yaml --take-over   # another build of osvm takes the running one's place",
    .make = make_invocation<proxy_serve>,
};

}  // namespace osvm::cli
