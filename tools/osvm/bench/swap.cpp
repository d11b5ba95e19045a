// Releases in VMs replaced under an open-loop load; and the same server stopped and started again, for
// comparison.
#include <algorithm>
#include <boost/asio/use_future.hpp>
#include <thread>

#include "../guest_programs.hpp"
#include "../http_service.hpp"
#include "../stats_output.hpp"
#include "../values.hpp"
#include "bench.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using hotswap::load_report;

struct totals {
  double requests = 0, failed = 0, truncated = 0, misversioned = 0;
  std::vector<double> shift, deploy;
};

hotswap::load_options load(const swap_options& options, bool keep_alive) {
  hotswap::load_options out;
  out.rate = options.rate;
  out.duration = 60s;  // ended when the shifts are done
  out.connections = options.connections;
  out.keep_alive = keep_alive;
  return out;
}

void add_load(report& out, const std::string& prefix, const load_report& l, totals& sum) {
  out.value(prefix + ".requests", "requests", static_cast<double>(l.scheduled));
  out.must_be_zero(prefix + ".failed", "requests", static_cast<double>(l.failed()));
  out.value(prefix + ".rate", "1/s", l.sent_rate);
  out.value(prefix + ".latency.p50", "ms", to_ms(l.latency.p50));
  out.value(prefix + ".latency.p99", "ms", to_ms(l.latency.p99));
  sum.requests += static_cast<double>(l.scheduled);
  sum.failed += static_cast<double>(l.failed());
  sum.truncated += static_cast<double>(l.truncated);
  sum.misversioned += static_cast<double>(l.misversioned);
  if (l.rate_missed)
    out.fail(prefix + ": offered " + show_number(l.offered_rate) + "/s, sent " + show_number(l.sent_rate) +
             "/s: the machine is too busy for this rate");
  if (l.scheduled != l.answered + l.failed()) out.fail(prefix + ": scheduled is not answered + failed");
  for (const auto& text : l.samples) out.remark("  " + prefix + ": " + text);
}

// What each release did inside its VM.
void add_proof(report& out, const std::string& prefix, const unikernel_source& source) {
  std::uint64_t calls = 0;
  std::uint64_t exits = 0;
  std::size_t idle = 0;
  const auto records = source.records();
  for (const auto& r : records) {
    const auto n = total_syscalls(r.stats);
    calls += n;
    exits += r.stats.exits;
    idle += n == 0 ? 1 : 0;
  }
  out.remark(prefix + ": " + std::to_string(records.size()) + " VMs served with " + std::to_string(calls) +
             " system calls in " + std::to_string(exits) + " exits");
  if (idle > 0) out.fail(prefix + ": " + std::to_string(idle) + " releases made no system call");
}

result<void> shift_under_load(environment& env, report& out, const swap_options& options, bool keep_alive,
                              totals& sum) {
  const std::string prefix = keep_alive ? "swap.keep_alive" : "swap.close";
  OSVM_TRY(const auto program, find_guest("http_server"));
  OSVM_TRY(auto service,
           http_service::make(env.loop.get_executor(),
                              {.program = program, .socket_dir = env.sockets.path(), .facts = env.facts}));
  OSVM_TRY(auto first, service->deploy(service->spec("v1")));
  if (first.state != hotswap::release_state::active) return error(errc::malformed, first.describe());
  service->start_load(load(options, keep_alive));
  for (unsigned i = 0; i < options.shifts; ++i) {
    OSVM_CHECK(env.proceed());
    std::this_thread::sleep_for(options.pause);
    OSVM_TRY(auto shifted, service->deploy(service->spec(i % 2 == 0 ? "v2" : "v1")));
    if (shifted.state != hotswap::release_state::active) out.fail(prefix + ": " + shifted.describe());
    if (shifted.cut > 0) out.fail(prefix + ": a drain cut " + std::to_string(shifted.cut) + " requests");
    sum.shift.push_back(to_ms(shifted.shift));
    sum.deploy.push_back(to_ms(shifted.total));
  }
  std::this_thread::sleep_for(options.pause);
  OSVM_TRY(const auto loaded, service->finish_load());
  OSVM_CHECK(service->stop());
  add_load(out, prefix, loaded, sum);
  add_proof(out, prefix, service->source());
  return {};
}

}  // namespace

result<void> measure_swap(environment& env, report& out, const swap_options& options) {
  totals sum;
  OSVM_CHECK(shift_under_load(env, out, options, true, sum));
  OSVM_CHECK(shift_under_load(env, out, options, false, sum));
  out.value("swap.requests", "requests", sum.requests);
  out.must_be_zero("swap.failed", "requests", sum.failed);
  out.must_be_zero("swap.truncated", "requests", sum.truncated);
  out.must_be_zero("swap.misversioned", "requests", sum.misversioned);
  out.samples("swap.shift", "ms", sum.shift);
  out.samples("swap.deploy", "ms", sum.deploy);
  return {};
}

result<void> measure_restart(environment& env, report& out, const swap_options& options) {
  constexpr unikernel::listener web{unikernel::transport::tcp, 8080};
  OSVM_TRY(const auto program, find_guest("http_server"));
  OSVM_TRY(const auto image, unikernel::image::load(program));
  OSVM_TRY(auto front, hotswap::proxy::listen(std::vector<executor>(2, env.loop.get_executor()), {}));
  std::optional<unikernel::instance> guest;
  const auto start = [&]() -> result<void> {
    auto guest_options = env.options("restart");
    guest_options.arguments = {"http_server", "8080", "v1"};
    guest_options.policy.listen = {web};
    OSVM_TRY(auto made,
             unikernel::instance::create(env.loop.get_executor(), image, std::move(guest_options)));
    guest.emplace(std::move(made));
    OSVM_TRY(auto where, guest->wait_listening(web, 10s));
    OSVM_CHECK(front.shift({.version = "v1", .where = std::move(where)}));
    return {};
  };
  OSVM_CHECK(start());
  auto load_options = load(options, true);
  load_options.target = front.local_endpoint();
  load_options.version_header.clear();
  hotswap::load_client client(env.loop.get_executor(), std::move(load_options));
  auto loaded = client.async_run(boost::asio::use_future);
  std::vector<double> downtime;
  for (int i = 0; i < 5; ++i) {
    OSVM_CHECK(env.proceed());
    std::this_thread::sleep_for(options.pause);
    const stopwatch down;
    guest.reset();
    OSVM_CHECK(start());
    downtime.push_back(down.ms());
  }
  std::this_thread::sleep_for(options.pause);
  client.stop();
  OSVM_TRY(const auto result, loaded.get());
  out.value("restart.requests", "requests", static_cast<double>(result.scheduled));
  out.value("restart.failed", "requests",
            static_cast<double>(result.failed()));  // expected: it is the comparison
  out.samples("restart.downtime", "ms", downtime);
  return {};
}

}  // namespace osvm::cli::bench
