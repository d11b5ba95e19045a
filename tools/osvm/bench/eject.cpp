#include "eject.hpp"

#include <osvm/hotswap/gateway_host.hpp>
#include <osvm/hotswap/load_client.hpp>

#include <boost/asio/use_future.hpp>

#include <array>
#include <optional>
#include <thread>

#include "../child_process.hpp"
#include "../guest_programs.hpp"
#include "load.hpp"

namespace osvm::cli::bench {
namespace {

// The demo's server as an ordinary process: a VM's end is told to the proxy by its source, a process's is
// not.
struct killed_backend {
  std::string name, program, path;
  std::optional<child_process> process;

  result<void> start() {
    OSVM_TRY(auto made, child_process::start({program, "0", name, "--unix", path}));
    process.emplace(std::move(made));
    OSVM_CHECK(process->first_output());
    return {};
  }
};

result<std::unique_ptr<hotswap::gateway_host>> front_of(const environment& env, const std::string& front,
                                                        const std::array<killed_backend, 2>& backends) {
  hotswap::gateway_config config;
  hotswap::listener_config l;
  l.name = "web";
  l.options.listen = unix_endpoint{front};
  l.routes = {{.service = "web"}};
  config.listeners.push_back(std::move(l));
  auto& service = config.services["web"];
  for (const auto& b : backends) service.backends.push_back(unix_endpoint{b.path});
  service.shift.probe.kind = hotswap::probe_kind::tcp;
  // Back soon, so that the next kill finds both in service.
  service.pool.ejection.time = service.pool.ejection.max_time = std::chrono::milliseconds(50);
  OSVM_TRY(auto host, hotswap::gateway_host::open({env.loop.get_executor()}, std::move(config)));
  OSVM_CHECK(host->begin().get());
  return host;
}

std::uint64_t ejections_of(hotswap::gateway_host& host, const std::string& path) {
  const auto services = host.inner().services();
  for (const auto& b : services.at("web").backends) {
    if (b.where == "unix:" + path) return b.ejections;
  }
  return 0;
}

// The time from the kill until the proxy has taken it out.
result<double> kill_and_wait(const environment& env, hotswap::gateway_host& host, killed_backend& victim) {
  constexpr auto patience = std::chrono::seconds(10);
  const auto before = ejections_of(host, victim.path);
  const stopwatch watch;
  victim.process.reset();
  while (ejections_of(host, victim.path) == before) {
    OSVM_CHECK(env.proceed());
    if (watch.elapsed() > patience)
      return error(errc::timed_out,
                   "the killed backend is still in service: " + hotswap::status_json(host.inner()));
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return watch.ms();
}

}  // namespace

result<void> measure_eject(environment& env, report& out, const eject_options& options) {
  OSVM_TRY(const auto program, find_guest("http_server"));
  const auto& dir = env.sockets.path();
  std::array<killed_backend, 2> backends{{{"a", program, dir + "/a", {}}, {"b", program, dir + "/b", {}}}};
  for (auto& b : backends) OSVM_CHECK(b.start());
  OSVM_TRY(const auto host, front_of(env, dir + "/front", backends));
  hotswap::load_options o;
  o.target = unix_endpoint{dir + "/front"};
  o.rate = options.rate;
  o.duration = std::chrono::hours(24);
  o.version_header.clear();
  hotswap::load_client load(env.loop.get_executor(), std::move(o));
  auto loaded = load.async_run(boost::asio::use_future);
  std::vector<double> samples;
  for (unsigned i = 0; i < options.kills; ++i) {
    OSVM_CHECK(env.proceed());
    std::this_thread::sleep_for(std::chrono::milliseconds(150));  // traffic must meet both
    auto& victim = backends[i % backends.size()];
    OSVM_TRY(const auto ms, kill_and_wait(env, *host, victim));
    samples.push_back(ms);
    OSVM_CHECK(victim.start());
  }
  load.stop();
  OSVM_TRY(const auto seen, loaded.get());
  add_load_report(out, "eject", seen);
  out.samples("eject.time", "ms", samples);
  return {};
}

}  // namespace osvm::cli::bench
