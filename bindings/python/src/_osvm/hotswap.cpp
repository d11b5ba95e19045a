// The proxy together with the release engine that shifts it from endpoint to endpoint.
#include <osvm/hotswap/proxy.hpp>
#include <osvm/hotswap/release.hpp>

#include "edge.hpp"
#include "hotswap_report.hpp"

#include <pybind11/stl.h>

#include <boost/asio/use_future.hpp>

namespace osvm::python {
namespace {

namespace hs = hotswap;
using namespace py::literals;

// Members end in reverse order. `service` is shared with a shift() that is just being started; close() drops
// it, which gives up a shift that is under way.
struct proxy_handle {
  std::shared_ptr<runtime> shared;
  std::shared_ptr<hs::proxy> proxy;
  std::shared_ptr<hs::service> service;

  void check() const {
    if (!service) throw exception(error(errc::closed, "the proxy was closed"));
  }
};

template <class T>
T field(const py::dict& d, const char* name) {
  return d[name].cast<T>();
}

hs::proxy_options options_of(const py::dict& d, unsigned threads) {
  hs::proxy_options o;
  o.listen = take(parse_endpoint(field<std::string>(d, "listen")));
  o.mode = field<bool>(d, "l4") ? hs::proxy_mode::l4 : hs::proxy_mode::l7;
  o.shards = threads;
  o.max_connections = field<unsigned>(d, "max_connections");
  o.limits.max_head = field<std::size_t>(d, "max_head");
  o.limits.max_body = field<std::uint64_t>(d, "max_body");
  o.timeouts.head = milliseconds_of(field<double>(d, "head_timeout"));
  o.timeouts.idle = milliseconds_of(field<double>(d, "idle_timeout"));
  o.timeouts.response = milliseconds_of(field<double>(d, "response_timeout"));
  return o;
}

hs::release_spec spec_of(const py::dict& d) {
  hs::release_spec s;
  s.version = field<std::string>(d, "version");
  s.artifact = field<std::string>(d, "endpoint");
  take(parse_endpoint(s.artifact));  // a typing error is the caller's, not a release that failed
  s.probe.kind = field<bool>(d, "probe_tcp") ? hs::probe_kind::tcp : hs::probe_kind::http;
  s.probe.path = field<std::string>(d, "probe_path");
  s.probe.host = s.warmup.host = field<std::string>(d, "probe_host");
  s.probe.status = field<unsigned>(d, "probe_status");
  s.probe.body = field<std::string>(d, "probe_body");
  s.probe.successes = field<unsigned>(d, "probe_successes");
  s.probe.interval = milliseconds_of(field<double>(d, "probe_interval"));
  s.probe.timeout = milliseconds_of(field<double>(d, "probe_timeout"));
  s.probe.deadline = milliseconds_of(field<double>(d, "probe_deadline"));
  s.warmup.requests = field<unsigned>(d, "warmup_requests");
  s.warmup.path = s.probe.path;
  s.bake.window = milliseconds_of(field<double>(d, "bake"));
  s.bake.max_error_rate = field<double>(d, "bake_max_error_rate");
  s.drain_deadline = milliseconds_of(field<double>(d, "drain"));
  return s;
}

double to_seconds(std::chrono::nanoseconds d) {
  return seconds(d).count();
}

py::dict stats_dict(const hs::proxy_stats& s) {
  py::dict failures("bad_requests"_a = s.bad_requests, "client_timeouts"_a = s.client_timeouts,
                    "no_release"_a = s.no_release, "connect_failed"_a = s.connect_failed,
                    "upstream_closed"_a = s.upstream_closed, "upstream_invalid"_a = s.upstream_invalid,
                    "upstream_timeouts"_a = s.upstream_timeouts, "truncated"_a = s.truncated);
  return py::dict("accepted"_a = s.accepted, "active"_a = s.active, "refused"_a = s.refused,
                  "requests"_a = s.requests, "answered"_a = s.answered, "failed"_a = s.failed(),
                  "failures"_a = failures, "client_aborted"_a = s.client_aborted, "cut"_a = s.cut,
                  "retried"_a = s.retried, "upgraded"_a = s.upgraded,
                  "bytes_to_release"_a = s.bytes_to_release, "bytes_to_client"_a = s.bytes_to_client,
                  "shifts"_a = s.shifts);
}

holder<proxy_handle> listen(runtime_handle& rt, const py::dict& options) {
  if (!rt.shared) throw exception(error(errc::closed, "the runtime was closed"));
  const auto ex = rt.shared->get_executor();
  auto proxy = std::make_shared<hs::proxy>(take(hs::proxy::listen(ex, options_of(options, rt.threads))));
  auto service = std::make_shared<hs::service>(ex, *proxy, hs::make_endpoint_source(ex));
  return holder<proxy_handle>(new proxy_handle{rt.shared, std::move(proxy), std::move(service)});
}

py::dict shift(const proxy_handle& self, const py::dict& options) {
  self.check();
  const auto alive = self.shared;  // the threads that complete the future
  auto pending = self.service->async_deploy(spec_of(options), boost::asio::use_future);
  return report_dict(take(std::move(pending)));
}

void close(proxy_handle& self) {
  auto ended = std::move(self);
  py::gil_scoped_release released;
  if (ended.proxy) ended.proxy->close();
  { auto last = std::move(ended); }
}

}  // namespace

py::dict report_dict(const hs::shift_report& r) {
  py::dict times("start"_a = to_seconds(r.start), "probe"_a = to_seconds(r.probe),
                 "warm"_a = to_seconds(r.warm), "shift"_a = to_seconds(r.shift),
                 "bake"_a = to_seconds(r.bake), "drain"_a = to_seconds(r.drain),
                 "stop"_a = to_seconds(r.stop), "total"_a = to_seconds(r.total));
  const bool active = r.state == hs::release_state::active;
  return py::dict(
      "version"_a = r.version, "state"_a = hs::to_string(r.state),
      "failed_at"_a = active ? py::object(py::none()) : py::object(py::str(hs::to_string(r.failed_at))),
      "reason"_a = r.reason, "replaced"_a = r.replaced, "generation"_a = r.generation, "times"_a = times,
      "probe_attempts"_a = r.probe_attempts, "warmup_requests"_a = r.warmup_requests, "drained"_a = r.drained,
      "cut"_a = r.cut, "description"_a = r.describe(),
      "error"_a = py::make_tuple(r.code.category().name(), r.code.value(), r.describe()));
}

void bind_hotswap(py::module_& m) {
  py::class_<proxy_handle, holder<proxy_handle>>(m, "Proxy")
      .def_static("listen", &listen, py::arg("runtime"), py::arg("options"))
      .def("endpoint",
           [](const proxy_handle& self) {
             self.check();
             return to_string(self.proxy->local_endpoint());
           })
      .def("shift", &shift)
      .def("active",
           [](const proxy_handle& self) {
             self.check();
             return self.service->active();
           })
      .def("stats",
           [](const proxy_handle& self) {
             self.check();
             return stats_dict(self.proxy->stats());
           })
      .def("close", &close);
}

}  // namespace osvm::python
