// The proxy from a configuration, with its services' releases.
#include <osvm/hotswap/gateway_host.hpp>

#include "edge.hpp"
#include "hotswap_report.hpp"

#include <pybind11/stl.h>

namespace osvm::python {
namespace {

namespace hs = hotswap;
using namespace py::literals;

// `host` is shared with calls that are under way when another thread closes it.
struct gateway_handle {
  std::shared_ptr<runtime> shared;
  std::shared_ptr<hs::gateway_host> host;

  std::shared_ptr<hs::gateway_host> get() const {
    if (!host) throw exception(error(errc::closed, "the gateway was closed"));
    return host;
  }
};

hs::gateway_config config_of(const std::optional<std::string>& text, const std::string& name) {
  return take(text ? hs::parse_gateway_config(*text, name) : hs::load_gateway_config(name));
}

holder<gateway_handle> open(runtime_handle& rt, const std::optional<std::string>& text,
                            const std::string& name) {
  if (!rt.shared) throw exception(error(errc::closed, "the runtime was closed"));
  const std::vector<executor> executors(rt.threads, rt.shared->get_executor());
  std::shared_ptr<hs::gateway_host> host = take(hs::gateway_host::open(executors, config_of(text, name)));
  holder<gateway_handle> made(new gateway_handle{rt.shared, std::move(host)});
  take(made->host->begin());
  return made;
}

py::dict shift(const gateway_handle& self, const std::string& service, const std::string& version,
               const std::vector<std::string>& backends) {
  std::vector<endpoint> where;
  for (const auto& b : backends) where.push_back(take(parse_endpoint(b)));
  const auto host = self.get();
  return report_dict(take(host->shift(service, version, where)));
}

py::list take_events(const gateway_handle& self, std::size_t most) {
  py::list out;
  for (const auto& e : self.get()->take_events(most)) {
    const double time = std::chrono::duration<double>(e.what.wall.time_since_epoch()).count();
    out.append(py::dict("service"_a = e.service, "version"_a = e.what.version, "attempt"_a = e.what.attempt,
                        "state"_a = hs::to_string(e.what.state), "reason"_a = e.what.reason,
                        "time"_a = time));
  }
  return out;
}

bool drain(const gateway_handle& self, const std::string& service, const std::string& backend,
           std::optional<double> timeout) {
  const auto host = self.get();
  const auto done = wait_interruptibly(timeout_of(timeout),
                                       [&](std::chrono::nanoseconds slice) -> std::optional<result<bool>> {
                                         auto r = host->drain(service, backend, slice);
                                         if (r && !*r) return std::nullopt;
                                         return r;
                                       });
  return done ? done->value() : false;
}

void stop(const gateway_handle& self, double timeout) {
  const auto host = self.get();
  py::gil_scoped_release released;
  host->stop(timeout_of(timeout)).wait();
}

void close(gateway_handle& self) {
  auto ended = std::move(self);
  py::gil_scoped_release released;
  { auto last = std::move(ended); }
}

}  // namespace

void bind_gateway(py::module_& m) {
  py::class_<gateway_handle, holder<gateway_handle>>(m, "Gateway")
      .def_static("open", &open, py::arg("runtime"), py::arg("text"), py::arg("name"))
      .def("reload",
           [](const gateway_handle& self, const std::optional<std::string>& text, const std::string& name) {
             const auto host = self.get();
             take(host->reload(config_of(text, name)));
           })
      .def("shift", &shift)
      .def("rollback",
           [](const gateway_handle& self, const std::string& service) {
             const auto host = self.get();
             return report_dict(take(host->rollback(service)));
           })
      .def("command",
           [](const gateway_handle& self, const std::string& service, int what) {
             const auto host = self.get();
             take(host->command(service, static_cast<hs::service_command>(what)));
           })
      .def("set_weight",
           [](const gateway_handle& self, const std::string& service, const std::string& backend,
              unsigned weight) { take(self.get()->inner().set_weight(service, backend, weight)); })
      .def("drain", &drain)
      .def("status", [](const gateway_handle& self) { return hs::status_json(self.get()->inner()); })
      .def("metrics", [](const gateway_handle& self) { return self.get()->inner().metrics(); })
      .def("take_events", &take_events)
      .def("lost_events", [](const gateway_handle& self) { return self.get()->lost_events(); })
      .def("stop", &stop)
      .def("close", &close);
}

}  // namespace osvm::python
