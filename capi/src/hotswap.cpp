// osvm_hotswap.h over osvm/hotswap: a proxy and the release engine on one endpoint source.
#include <osvm_hotswap.h>

#include <osvm/hotswap/proxy.hpp>
#include <osvm/hotswap/release.hpp>

#include "guard.hpp"
#include "handles.hpp"
#include "hotswap_shift.hpp"
#include "json.hpp"
#include "versioned.hpp"

#include <boost/asio/use_future.hpp>

namespace hs = osvm::hotswap;
using namespace osvm::capi;

struct osvm_hotswap_proxy {
  std::shared_ptr<osvm::runtime> shared;  // first: it must end last
  hs::proxy proxy;
  hs::service service;
  std::string endpoint;
};

namespace {

#define SAME(c, cpp) static_assert(static_cast<unsigned>(c) == static_cast<unsigned>(cpp))
SAME(OSVM_HOTSWAP_BAD_LISTENER, hs::errc::bad_listener);
SAME(OSVM_HOTSWAP_BAD_ENDPOINT, hs::errc::bad_endpoint);
SAME(OSVM_HOTSWAP_NO_SUCH_RELEASE, hs::errc::no_such_release);
SAME(OSVM_HOTSWAP_PROBE_FAILED, hs::errc::probe_failed);
SAME(OSVM_HOTSWAP_BAD_RESPONSE, hs::errc::bad_response);
SAME(OSVM_HOTSWAP_INSTANCE_LOST, hs::errc::instance_lost);
SAME(OSVM_HOTSWAP_BAD_CERTIFICATE, hs::errc::bad_certificate);
SAME(OSVM_HOTSWAP_L4, hs::proxy_mode::l4);
SAME(OSVM_HOTSWAP_L7, hs::proxy_mode::l7);
SAME(OSVM_HOTSWAP_PROBE_TCP, hs::probe_kind::tcp);
SAME(OSVM_HOTSWAP_PROBE_HTTP, hs::probe_kind::http);
SAME(OSVM_HOTSWAP_STARTING, hs::release_state::starting);
SAME(OSVM_HOTSWAP_PROBING, hs::release_state::probing);
SAME(OSVM_HOTSWAP_WARMING, hs::release_state::warming);
SAME(OSVM_HOTSWAP_ACTIVE, hs::release_state::active);
SAME(OSVM_HOTSWAP_DRAINING, hs::release_state::draining);
SAME(OSVM_HOTSWAP_RETIRED, hs::release_state::retired);
SAME(OSVM_HOTSWAP_REJECTED, hs::release_state::rejected);
SAME(OSVM_HOTSWAP_ROLLED_BACK, hs::release_state::rolled_back);
#undef SAME

osvm::error invalid_option(std::string what) {
  return {osvm::errc::invalid_argument, std::move(what)};
}

std::uint64_t ms_of(std::chrono::milliseconds d) {
  return static_cast<std::uint64_t>(d.count());
}
std::uint64_t ns_of(std::chrono::nanoseconds d) {
  return static_cast<std::uint64_t>(d.count());
}
// At most a century, so that adding it to a clock cannot overflow.
std::chrono::milliseconds duration(std::uint64_t ms) {
  const auto bounded = static_cast<std::int64_t>(std::min<std::uint64_t>(ms, INT64_MAX));
  return std::chrono::duration_cast<std::chrono::milliseconds>(timeout_of(bounded));
}

osvm_hotswap_proxy_options default_proxy_options() {
  const hs::proxy_options d;
  osvm_hotswap_proxy_options o{};
  o.mode = static_cast<std::uint32_t>(d.mode);
  o.listen = "tcp:127.0.0.1:0";
  o.backlog = static_cast<std::uint32_t>(d.backlog);
  o.unix_mode = d.unix_mode;
  o.max_connections = d.max_connections;
  o.max_idle_upstream = d.max_idle_upstream;
  o.max_fields = d.limits.max_fields;
  o.max_head = d.limits.max_head;
  o.max_target = d.limits.max_target;
  o.max_body = d.limits.max_body;
  o.head_timeout_ms = ms_of(d.timeouts.head);
  o.idle_timeout_ms = ms_of(d.timeouts.idle);
  o.stall_timeout_ms = ms_of(d.timeouts.stall);
  o.connect_timeout_ms = ms_of(d.timeouts.connect);
  o.response_timeout_ms = ms_of(d.timeouts.response);
  o.upstream_idle_timeout_ms = ms_of(d.timeouts.upstream_idle);
  return o;
}

osvm_hotswap_shift_options default_shift_options() {
  const hs::release_spec d;
  osvm_hotswap_shift_options o{};
  o.probe = static_cast<std::uint32_t>(d.probe.kind);
  o.probe_path = "/";
  o.probe_host = "localhost";
  o.probe_status = d.probe.status;
  o.probe_successes = d.probe.successes;
  o.probe_interval_ms = ms_of(d.probe.interval);
  o.probe_timeout_ms = ms_of(d.probe.timeout);
  o.probe_deadline_ms = ms_of(d.probe.deadline);
  o.warmup_requests = d.warmup.requests;
  o.bake_min_requests = d.bake.min_requests;
  o.warmup_path = "/";
  o.warmup_timeout_ms = ms_of(d.warmup.timeout);
  o.bake_window_ms = ms_of(d.bake.window);
  o.bake_max_error_rate = d.bake.max_error_rate;
  o.drain_deadline_ms = ms_of(d.drain_deadline);
  return o;
}

osvm::result<hs::proxy_options> proxy_options_of(const osvm_hotswap_proxy_options& o, unsigned threads) {
  if (o.mode > OSVM_HOTSWAP_L7) return invalid_option("osvm_hotswap_proxy_options.mode is unknown");
  if (o.backlog > INT32_MAX) return invalid_option("osvm_hotswap_proxy_options.backlog is too large");
  hs::proxy_options out;
  if (o.listen) {
    OSVM_TRY(out.listen, osvm::parse_endpoint(o.listen));
  }
  out.mode = static_cast<hs::proxy_mode>(o.mode);
  out.shards = o.shards != 0 ? o.shards : threads;
  out.backlog = static_cast<int>(o.backlog);
  out.unix_mode = o.unix_mode;
  out.max_connections = o.max_connections;
  out.max_idle_upstream = o.max_idle_upstream;
  out.limits = {
      .max_head = o.max_head, .max_fields = o.max_fields, .max_target = o.max_target, .max_body = o.max_body};
  out.timeouts = {.head = duration(o.head_timeout_ms),
                  .idle = duration(o.idle_timeout_ms),
                  .stall = duration(o.stall_timeout_ms),
                  .connect = duration(o.connect_timeout_ms),
                  .response = duration(o.response_timeout_ms),
                  .upstream_idle = duration(o.upstream_idle_timeout_ms)};
  return out;
}

osvm::result<hs::release_spec> spec_of(const char* backend, const osvm_hotswap_shift_options* options) {
  OSVM_TRY(const auto o, read_versioned(options, default_shift_options(), "osvm_hotswap_shift_options"));
  if (o.probe > OSVM_HOTSWAP_PROBE_HTTP) return invalid_option("osvm_hotswap_shift_options.probe is unknown");
  OSVM_CHECK(osvm::parse_endpoint(backend));  // a typing error is the caller's, not a release that failed
  hs::release_spec spec;
  spec.artifact = backend;
  spec.version = o.version ? o.version : backend;
  spec.probe.kind = static_cast<hs::probe_kind>(o.probe);
  if (o.probe_path) spec.probe.path = o.probe_path;
  if (o.probe_host) spec.probe.host = spec.warmup.host = o.probe_host;
  if (o.probe_body) spec.probe.body = o.probe_body;
  spec.probe.status = o.probe_status;
  spec.probe.successes = o.probe_successes;
  spec.probe.interval = duration(o.probe_interval_ms);
  spec.probe.timeout = duration(o.probe_timeout_ms);
  spec.probe.deadline = duration(o.probe_deadline_ms);
  spec.warmup.requests = o.warmup_requests;
  if (o.warmup_path) spec.warmup.path = o.warmup_path;
  spec.warmup.timeout = duration(o.warmup_timeout_ms);
  spec.bake.window = duration(o.bake_window_ms);
  spec.bake.max_error_rate = o.bake_max_error_rate;
  spec.bake.min_requests = o.bake_min_requests;
  spec.drain_deadline = duration(o.drain_deadline_ms);
  return spec;
}

osvm_hotswap_stats proxy_stats_of(const hs::proxy_stats& s) {
  osvm_hotswap_stats out{};
  out.accepted = s.accepted;
  out.active = s.active;
  out.refused = s.refused;
  out.requests = s.requests;
  out.answered = s.answered;
  out.failed = s.failed();
  out.bad_requests = s.bad_requests;
  out.client_timeouts = s.client_timeouts;
  out.no_release = s.no_release;
  out.connect_failed = s.connect_failed;
  out.upstream_closed = s.upstream_closed;
  out.upstream_invalid = s.upstream_invalid;
  out.upstream_timeouts = s.upstream_timeouts;
  out.truncated = s.truncated;
  out.client_aborted = s.client_aborted;
  out.cut = s.cut;
  out.retried = s.retried;
  out.upgraded = s.upgraded;
  out.bytes_to_release = s.bytes_to_release;
  out.bytes_to_client = s.bytes_to_client;
  out.shifts = s.shifts;
  return out;
}

}  // namespace

extern "C" {

void osvm_hotswap_shift_options_init(osvm_hotswap_shift_options* options, uint32_t struct_size) {
  init_versioned(options, struct_size, default_shift_options());
}

void osvm_hotswap_proxy_options_init(osvm_hotswap_proxy_options* options, uint32_t struct_size) {
  init_versioned(options, struct_size, default_proxy_options());
}

osvm_error* osvm_hotswap_proxy_new(osvm_runtime* runtime, const osvm_hotswap_proxy_options* options,
                                   const char* backend, const osvm_hotswap_shift_options* first,
                                   osvm_hotswap_proxy** out_proxy) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(runtime);
    OSVM_REQUIRE(out_proxy);
    OSVM_TRY(const auto given,
             read_versioned(options, default_proxy_options(), "osvm_hotswap_proxy_options"));
    OSVM_TRY(auto converted, proxy_options_of(given, runtime->threads));
    auto shared = runtime->shared;
    const auto ex = shared->get_executor();
    OSVM_TRY(auto proxy, hs::proxy::listen(ex, std::move(converted)));
    hs::service service(ex, proxy, hs::make_endpoint_source(ex));
    if (backend) {
      OSVM_TRY(auto spec, spec_of(backend, first));
      OSVM_TRY(auto report, service.async_deploy(std::move(spec), boost::asio::use_future).get());
      if (report.state != hs::release_state::active) return osvm::error(report.code, report.describe());
    }
    auto where = osvm::to_string(proxy.local_endpoint());
    *out_proxy =
        new osvm_hotswap_proxy{std::move(shared), std::move(proxy), std::move(service), std::move(where)};
    return {};
  });
}

const char* osvm_hotswap_proxy_endpoint(const osvm_hotswap_proxy* proxy) {
  return proxy ? proxy->endpoint.c_str() : "";
}

osvm_error* osvm_hotswap_proxy_shift(osvm_hotswap_proxy* proxy, const char* backend,
                                     const osvm_hotswap_shift_options* options,
                                     osvm_hotswap_shift** out_report) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(proxy);
    OSVM_REQUIRE(backend);
    OSVM_REQUIRE(out_report);
    OSVM_TRY(auto spec, spec_of(backend, options));
    OSVM_TRY(auto report, proxy->service.async_deploy(std::move(spec), boost::asio::use_future).get());
    *out_report = new_shift(std::move(report));
    return {};
  });
}

void osvm_hotswap_proxy_free(osvm_hotswap_proxy* proxy) {
  delete proxy;
}

uint32_t osvm_hotswap_shift_state(const osvm_hotswap_shift* report) {
  return static_cast<uint32_t>(report ? report->report.state : hs::release_state::rejected);
}
uint32_t osvm_hotswap_shift_failed_at(const osvm_hotswap_shift* report) {
  return static_cast<uint32_t>(report ? report->report.failed_at : hs::release_state::starting);
}
const char* osvm_hotswap_shift_reason(const osvm_hotswap_shift* report) {
  return report ? report->report.reason.c_str() : "";
}
const char* osvm_hotswap_shift_replaced(const osvm_hotswap_shift* report) {
  return report ? report->report.replaced.c_str() : "";
}
uint64_t osvm_hotswap_shift_generation(const osvm_hotswap_shift* report) {
  return report ? report->report.generation : 0;
}
uint64_t osvm_hotswap_shift_time_ns(const osvm_hotswap_shift* report) {
  return report ? ns_of(report->report.shift) : 0;
}
uint64_t osvm_hotswap_shift_drained(const osvm_hotswap_shift* report) {
  return report ? report->report.drained : 0;
}
uint64_t osvm_hotswap_shift_cut(const osvm_hotswap_shift* report) {
  return report ? report->report.cut : 0;
}
const char* osvm_hotswap_shift_description(const osvm_hotswap_shift* report) {
  return report ? report->description.c_str() : "";
}
const char* osvm_hotswap_shift_json(const osvm_hotswap_shift* report) {
  return report ? report->json.c_str() : "";
}
void osvm_hotswap_shift_free(osvm_hotswap_shift* report) {
  delete report;
}

void osvm_hotswap_stats_init(osvm_hotswap_stats* stats, uint32_t struct_size) {
  init_versioned(stats, struct_size, osvm_hotswap_stats{});
}

osvm_error* osvm_hotswap_proxy_stats(const osvm_hotswap_proxy* proxy, osvm_hotswap_stats* stats) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(proxy);
    OSVM_REQUIRE(stats);
    return write_versioned(stats, proxy_stats_of(proxy->proxy.stats()), "osvm_hotswap_stats");
  });
}

osvm_error* osvm_hotswap_proxy_stats_json(const osvm_hotswap_proxy* proxy, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(proxy);
    OSVM_REQUIRE(out_json);
    *out_json = copy_string(to_json(proxy->proxy.stats()));
    return {};
  });
}

}  // extern "C"
