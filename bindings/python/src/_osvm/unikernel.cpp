// Images and instances, and the ports that an instance publishes on the host.
#include <osvm/hotswap/proxy.hpp>
#include <osvm/unikernel/metrics.hpp>
#include <osvm/unikernel/template.hpp>

#include "edge.hpp"

#include <pybind11/stl.h>

#include <string>
#include <tuple>
#include <vector>

namespace osvm::python {
namespace {

namespace uk = unikernel;
namespace hs = hotswap;
using namespace py::literals;

using listener_tuple = std::tuple<std::string, std::uint32_t>;              // ("tcp", 8080)
using publish_tuple = std::tuple<std::string, std::string, std::uint32_t>;  // ("127.0.0.1:80", "tcp", 8080)
using mount_tuple = std::tuple<std::string, std::string, bool>;             // host, guest, writable

// A listener on the host that passes bytes to a guest's port.
struct front_door {
  uk::listener port;
  std::shared_ptr<hs::proxy> proxy;
};

// Opens a front door once the guest listens. Twice does no harm: both know the same endpoint.
void open(const front_door& door, const endpoint& at) {
  if (door.proxy->generation() == 0) (void)door.proxy->shift({"guest", at});
}

// Members end in reverse order: front doors, then the guest, then our share of the threads.
struct running {
  std::shared_ptr<runtime> shared;
  uk::instance instance;
  std::vector<front_door> published;
};

// What Python holds. Methods copy `guest` before they let go of the GIL, so that close() in one thread is
// safe while another one waits.
struct instance_handle {
  std::shared_ptr<running> guest;

  std::shared_ptr<running> get() const {
    if (!guest) throw exception(error(errc::closed, "the instance was closed"));
    return guest;
  }
};

// None, bytes (input), an int (descriptor), "log", or ("capture", limit).
uk::stdio stdio_of(const py::object& o) {
  if (o.is_none()) return {};
  if (py::isinstance<py::str>(o)) return uk::stdio::log();
  if (py::isinstance<py::bytes>(o)) return uk::stdio::bytes(o.cast<std::string>());
  if (py::isinstance<py::int_>(o)) return uk::stdio::from_fd(o.cast<int>());
  return uk::stdio::capture(std::get<1>(o.cast<std::tuple<std::string, std::size_t>>()));
}

uk::listener listener_of(const std::string& kind, std::uint32_t port) {
  if (kind != "tcp" && kind != "vsock") {
    throw exception(error(errc::invalid_argument, "a listener is 'tcp' or 'vsock', not '" + kind + "'"));
  }
  return {kind == "tcp" ? uk::transport::tcp : uk::transport::vsock, port};
}

// A field of the options dict; the package always passes all of them.
template <class T>
T field(const py::dict& d, const char* name) {
  return d[name].cast<T>();
}

// Texts that the library itself takes apart.
template <class T>
std::vector<T> grants(const py::dict& d, const char* name, result<T> (*parse)(std::string_view)) {
  std::vector<T> out;
  for (const auto& text : field<std::vector<std::string>>(d, name)) out.push_back(take(parse(text)));
  return out;
}

// Policy file, events and learning.
void observe(const py::dict& d, uk::instance_options& o) {
  if (const auto path = field<std::string>(d, "policy"); !path.empty()) {
    uk::policy_file_options start;
    start.defaults = {o.policy, o.budgets};
    auto file = take(uk::load_policy(path, start));
    o.policy = std::move(file.granted);
    o.budgets = file.limits;
  }
  for (const auto& kind : field<std::vector<std::string>>(d, "events")) {
    (kind == "trace" ? o.events.trace : o.events.denials) = true;
  }
  o.events.capacity = field<std::size_t>(d, "event_capacity");
  o.learn = static_cast<uk::learning>(field<unsigned>(d, "learn"));
}

uk::instance_options options_of(const py::dict& d) {
  uk::instance_options o;
  o.arguments = field<std::vector<std::string>>(d, "arguments");
  o.name = field<std::string>(d, "name");
  o.socket_dir = field<std::string>(d, "socket_dir");
  o.level = field<bool>(d, "process_isolation") ? uk::isolation::process : uk::isolation::hardware;
  for (auto& [host, guest, writable] : field<std::vector<mount_tuple>>(d, "mounts")) {
    o.policy.mounts.push_back({host, guest, writable});
  }
  for (auto& [kind, port] : field<std::vector<listener_tuple>>(d, "listen")) {
    o.policy.listen.push_back(listener_of(kind, port));
  }
  o.policy.vsock_connect = field<std::vector<std::uint32_t>>(d, "vsock_connect");
  o.policy.connect = grants(d, "connect", uk::parse_connect_grant);
  o.policy.listen_unix = grants(d, "listen_unix", uk::parse_unix_listener);
  o.policy.scratch = grants(d, "tmpfs", uk::parse_tmpfs);
  o.policy.environment = field<std::vector<std::string>>(d, "environment");
  o.policy.allow.jit = field<bool>(d, "jit");
  o.budgets.memory_bytes = field<std::uint64_t>(d, "memory");
  o.budgets.threads = field<unsigned>(d, "threads");
  o.budgets.processes = field<unsigned>(d, "processes");
  o.budgets.descriptors = field<unsigned>(d, "descriptors");
  o.budgets.written_bytes = field<std::uint64_t>(d, "written");
  // Here none and 0 both mean: no limit.
  o.budgets.cpu_time = timeout_of(field<double>(d, "cpu_time"));
  o.budgets.wall_time = timeout_of(field<double>(d, "wall_time"));
  o.grant_libraries = field<bool>(d, "libraries");
  o.exitless = field<bool>(d, "exitless");
  if (auto worker = field<std::string>(d, "worker"); !worker.empty())
    o.worker = uk::worker_options{.program = std::move(worker),
                                  .jail = field<bool>(d, "jail"),
                                  .limits = {.memory_bytes = field<std::uint64_t>(d, "limit_memory"),
                                             .cpu_percent = field<unsigned>(d, "limit_cpu_percent"),
                                             .tasks = field<unsigned>(d, "limit_tasks"),
                                             .parent = field<std::string>(d, "limit_parent")},
                                  .orphan_after = timeout_of(field<double>(d, "orphan_after"))};
  o.working_directory = field<std::string>(d, "cwd");
  observe(d, o);
  o.input = stdio_of(d["stdin"]);
  o.output = stdio_of(d["stdout"]);
  o.error = stdio_of(d["stderr"]);
  return o;
}

// Listens on the host before the guest starts, so that a port in use is an error at once; forwards as soon as
// the guest listens. `make` creates the guest.
template <class Make>
result<std::shared_ptr<running>> start(std::shared_ptr<runtime> shared,
                                       const std::vector<publish_tuple>& publish, Make&& make) {
  const auto ex = shared->get_executor();
  std::vector<front_door> published;
  for (const auto& [where, kind, port] : publish) {
    OSVM_TRY(auto listen, parse_endpoint(where));
    OSVM_TRY(auto front, hs::proxy::listen(ex, {.listen = std::move(listen), .mode = hs::proxy_mode::l4}));
    published.push_back({listener_of(kind, port), std::make_shared<hs::proxy>(std::move(front))});
  }
  OSVM_TRY(auto instance, make(ex));
  auto guest = std::make_shared<running>(std::move(shared), std::move(instance), std::move(published));
  for (const auto& door : guest->published) {
    guest->instance.async_listening(door.port, [door](result<endpoint> at) {
      if (at) open(door, *at);
    });
  }
  return guest;
}

py::object fault_dict(const std::optional<uk::fault_info>& f) {
  if (!f) return py::none();
  static constexpr const char* names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  py::dict registers("rip"_a = f->rip, "rflags"_a = f->rflags);
  for (std::size_t i = 0; i < f->gpr.size(); ++i) registers[names[i]] = f->gpr[i];
  return py::dict("kind"_a = uk::to_string(f->kind), "vector"_a = f->vector, "error_code"_a = f->error_code,
                  "address"_a = f->address, "thread"_a = f->thread, "detail"_a = f->detail,
                  "registers"_a = registers);
}

py::dict report_dict(const uk::exit_report& r) {
  return py::dict("cause"_a = static_cast<unsigned>(r.cause), "status"_a = r.status, "signal"_a = r.signal,
                  "shell_status"_a = r.shell_status(), "description"_a = r.describe(), "detail"_a = r.detail,
                  "fault"_a = fault_dict(r.fault));
}

double to_seconds(std::chrono::nanoseconds d) {
  return seconds(d).count();
}

py::dict stats_dict(const uk::instance_stats& s) {
  py::dict boot("vm"_a = to_seconds(s.boot.vm), "memory"_a = to_seconds(s.boot.memory),
                "vcpu"_a = to_seconds(s.boot.vcpu), "start"_a = to_seconds(s.boot.start),
                "total"_a = to_seconds(s.boot.total));
  py::dict syscalls;
  for (const auto& [name, count] : s.syscalls) syscalls[py::str(name)] = count;
  py::list granted, refused;
  for (const auto& g : s.granted)
    granted.append(py::dict("host"_a = g.host_path, "guest"_a = g.guest_path, "needed_by"_a = g.needed_by));
  for (const auto& r : s.refused)
    refused.append(py::dict("name"_a = r.name, "needed_by"_a = r.needed_by, "reason"_a = r.reason));
  py::list denials;
  for (const auto& d : s.denials)
    denials.append(py::dict("what"_a = d.what, "rule"_a = d.rule, "count"_a = d.count));
  return py::dict("boot"_a = boot, "exits"_a = s.exits, "polled_calls"_a = s.polled_calls,
                  "page_faults"_a = s.page_faults, "syscalls"_a = syscalls, "denials"_a = denials,
                  "granted"_a = granted, "refused"_a = refused, "memory_bytes"_a = s.memory_bytes,
                  "memory_peak_bytes"_a = s.memory_peak_bytes, "resident_bytes"_a = s.resident_bytes,
                  "page_table_bytes"_a = s.page_table_bytes, "threads"_a = s.threads,
                  "processes_started"_a = s.processes_started, "descriptors"_a = s.descriptors,
                  "written_bytes"_a = s.written_bytes, "cpu_time"_a = to_seconds(s.cpu_time),
                  "socket_received_bytes"_a = s.socket_received_bytes,
                  "socket_sent_bytes"_a = s.socket_sent_bytes, "events_dropped"_a = s.events_dropped);
}

py::dict event_dict(const uk::event& e) {
  return py::dict("kind"_a = uk::to_string(e.kind), "at"_a = to_seconds(e.at), "thread"_a = e.thread,
                  "text"_a = e.text, "rule"_a = e.rule, "call"_a = e.call, "result"_a = e.result,
                  "duration"_a = to_seconds(e.duration), "stream"_a = e.stream);
}

std::string learned_policy(const uk::instance& guest) {
  const auto learned = take(guest.learned());
  std::string notes;
  for (const auto& n : learned.notes) notes += "Not granted: " + n + "\n";
  return uk::format_policy(learned.policy, notes);
}

// A blocking call of the instance in slices: what it answers unless that is "not yet".
template <class T, class F>
T wait_in_slices(std::optional<double> timeout, const char* what, F&& call) {
  auto done = wait_interruptibly(timeout_of(timeout),
                                 [&](std::chrono::nanoseconds slice) -> std::optional<result<T>> {
                                   result<T> r = call(slice);
                                   if (!r && r.error().code == errc::timed_out) return std::nullopt;
                                   return r;
                                 });
  if (!done) throw exception(error(errc::timed_out, what));
  return take(std::move(*done));
}

// `program` is a uk::image, or an app_image, which puts what its manifest says into the options.
template <class Program>
holder<instance_handle> start_instance(runtime_handle& rt, const Program& program, const py::dict& options,
                                       const std::vector<publish_tuple>& publish,
                                       const kvm::host_facts* facts) {
  if (!rt.shared) throw exception(error(errc::closed, "the runtime was closed"));
  auto converted = options_of(options);
  converted.facts = facts;
  auto shared = rt.shared;
  result<std::shared_ptr<running>> guest = errc::ok;
  {
    py::gil_scoped_release released;
    guest = start(std::move(shared), publish, [&](const executor& ex) -> result<uk::instance> {
      if constexpr (std::is_same_v<Program, app_image>) {
        OSVM_TRY(const auto prepared, images::prepare_run(program.tree, program.how, converted));
        return uk::instance::create(ex, prepared, std::move(converted));
      } else {
        return uk::instance::create(ex, program, std::move(converted));
      }
    });
  }
  return holder<instance_handle>(new instance_handle{take(std::move(guest))});
}

uk::instance_template snapshot_of(const instance_handle& self, double timeout) {
  const auto guest = self.get();
  return without_gil([&] { return guest->instance.snapshot(timeout_of(timeout)); });
}

holder<instance_handle> spawn_instance(runtime_handle& rt, const uk::instance_template& from,
                                       const py::dict& d, const std::vector<publish_tuple>& publish) {
  if (!rt.shared) throw exception(error(errc::closed, "the runtime was closed"));
  uk::spawn_options o;
  o.name = field<std::string>(d, "name");
  o.socket_dir = field<std::string>(d, "socket_dir");
  o.input = stdio_of(d["stdin"]);
  o.output = stdio_of(d["stdout"]);
  o.error = stdio_of(d["stderr"]);
  for (const auto& kind : field<std::vector<std::string>>(d, "events"))
    (kind == "trace" ? o.events.trace : o.events.denials) = true;
  auto shared = rt.shared;
  auto guest = without_gil([&] {
    return start(std::move(shared), publish,
                 [&](const executor& ex) { return from.spawn(ex, std::move(o)); });
  });
  return holder<instance_handle>(new instance_handle{std::move(guest)});
}

holder<instance_handle> adopt_instance(runtime_handle& rt, const std::string& ticket,
                                       const std::vector<publish_tuple>& publish) {
  if (!rt.shared) throw exception(error(errc::closed, "the runtime was closed"));
  auto shared = rt.shared;
  auto guest = without_gil([&] {
    return start(std::move(shared), publish, [&](const executor& ex) -> result<uk::instance> {
      OSVM_TRY(const auto parsed, uk::parse_adoption_ticket(ticket));
      return uk::instance::adopt(ex, parsed);
    });
  });
  return holder<instance_handle>(new instance_handle{std::move(guest)});
}

// Whether instances of it need a folder for their sockets, as the package asks of options.
bool asks_for_sockets(const uk::instance_template& self) {
  return !self.granted().listen.empty() || !self.granted().vsock_connect.empty();
}

void bind_template(py::module_& m) {
  py::class_<uk::instance_template>(m, "Template")
      .def("info",
           [](const uk::instance_template& self) {
             const auto i = self.info();
             return py::dict("memory_bytes"_a = i.memory_bytes, "threads"_a = i.threads,
                             "descriptors"_a = i.descriptors);
           })
      .def(
          "save",
          [](const uk::instance_template& self, const std::string& path) {
            without_gil([&] { return self.save(path); });
          },
          py::arg("path"))
      .def_static(
          "load",
          [](const std::string& path) {
            return without_gil([&] { return uk::instance_template::load(path); });
          },
          py::arg("path"))
      .def("asks_for_sockets", &asks_for_sockets);
}

py::tuple call_guest(const instance_handle& self, const std::string& function, const std::string& request,
                     double timeout, double cpu_time) {
  const auto guest = self.get();
  const uk::call_options how{.timeout = timeout_of(timeout),
                             .cpu_time = std::chrono::nanoseconds(static_cast<std::int64_t>(cpu_time * 1e9))};
  const auto answer = without_gil([&] { return guest->instance.call(function, request, how); });
  return py::make_tuple(answer.status, py::bytes(answer.data));
}

// Looking into a guest, and calling it.
template <class Class>
void bind_inside(Class& c) {
  c.def(
       "wait_ready",
       [](const instance_handle& self, double timeout) {
         const auto guest = self.get();
         without_gil([&] { return guest->instance.wait_ready(timeout_of(timeout)); });
       },
       py::arg("timeout"))
      .def("call", &call_guest, py::arg("function"), py::arg("request"), py::arg("timeout"),
           py::arg("cpu_time"))
      .def(
          "reset",
          [](const instance_handle& self, double timeout) {
            const auto guest = self.get();
            without_gil([&] { return guest->instance.reset(timeout_of(timeout)); });
          },
          py::arg("timeout"))
      .def(
          "dump_core",
          [](const instance_handle& self, int file, double timeout) {
            const auto guest = self.get();
            without_gil([&] { return guest->instance.dump_core(file, timeout_of(timeout)); });
          },
          py::arg("file"), py::arg("timeout"))
      .def(
          "debug",
          [](const instance_handle& self, int connection) {
            const auto guest = self.get();
            without_gil([&] { return guest->instance.debug(connection); });
          },
          py::arg("connection"));
}

uk::image load_image(const std::string& path) {
  result<uk::image> image = errc::ok;
  {
    py::gil_scoped_release released;
    image = uk::image::load(path);
  }
  return take(std::move(image));
}

void close(instance_handle& self) {
  auto guest = std::move(self.guest);
  if (!guest) return;
  py::gil_scoped_release released;
  guest->instance.kill();  // threads that wait on it come back
  for (auto& door : guest->published) door.proxy->close();
  guest.reset();
}

std::vector<std::string> published_at(const instance_handle& self) {
  std::vector<std::string> out;
  for (const auto& door : self.get()->published) out.push_back(to_string(door.proxy->local_endpoint()));
  return out;
}

void bind_image(py::module_& m) {
  py::class_<uk::image>(m, "Image")
      .def_static("load", &load_image, py::arg("path"))
      .def_static("parse",
                  [](const py::bytes& file, const std::string& name) {
                    const auto view = static_cast<std::string_view>(file);
                    return take(uk::image::parse(as_bytes(view), name));
                  })
      .def_property_readonly("name", [](const uk::image& i) { return i.info().name; })
      .def_property_readonly("position_independent",
                             [](const uk::image& i) { return i.info().position_independent; })
      .def_property_readonly("entry", [](const uk::image& i) { return i.info().entry; })
      .def_property_readonly("memory_bytes", [](const uk::image& i) { return i.info().memory_bytes; })
      .def_property_readonly("segments", [](const uk::image& i) { return i.info().segments; });
}

}  // namespace

void bind_unikernel(py::module_& m) {
  bind_image(m);
  bind_template(m);
  py::class_<instance_handle, holder<instance_handle>> instances(m, "Instance");
  bind_inside(instances);
  instances
      .def_static("start", &start_instance<uk::image>, py::arg("runtime"), py::arg("image"),
                  py::arg("options"), py::arg("publish"), py::arg("facts") = nullptr)
      .def_static("start_app", &start_instance<app_image>, py::arg("runtime"), py::arg("image"),
                  py::arg("options"), py::arg("publish"), py::arg("facts") = nullptr)
      .def_static("spawn", &spawn_instance, py::arg("runtime"), py::arg("template"), py::arg("options"),
                  py::arg("publish"))
      .def_static("adopt", &adopt_instance, py::arg("runtime"), py::arg("ticket"), py::arg("publish"))
      .def("ticket",
           [](const instance_handle& self) { return uk::to_string(take(self.get()->instance.ticket())); })
      .def("snapshot", &snapshot_of, py::arg("timeout"))
      .def("wait",
           [](const instance_handle& self, std::optional<double> timeout) {
             const auto guest = self.get();
             return report_dict(wait_in_slices<uk::exit_report>(
                 timeout, "the guest still runs", [&](auto slice) { return guest->instance.wait(slice); }));
           })
      .def("wait_listening",
           [](const instance_handle& self, const std::string& kind, std::uint32_t port,
              std::optional<double> timeout) {
             const auto guest = self.get();
             const auto which = listener_of(kind, port);
             const auto at = wait_in_slices<endpoint>(
                 timeout, "the guest does not listen yet",
                 [&](auto slice) { return guest->instance.wait_listening(which, slice); });
             // Who has waited for the port may connect to its front door.
             for (const auto& door : guest->published) {
               if (door.port == which) open(door, at);
             }
             return to_string(at);
           })
      .def("kill", [](const instance_handle& self) { self.get()->instance.kill(); })
      .def("signal",
           [](const instance_handle& self, int number) { take(self.get()->instance.signal(number)); })
      .def("take_output",
           [](const instance_handle& self, int descriptor) {
             if (descriptor != 1 && descriptor != 2) {
               throw exception(error(errc::invalid_argument, "output is taken from descriptor 1 or 2"));
             }
             return py::bytes(self.get()->instance.take_output(descriptor));
           })
      .def("take_events",
           [](const instance_handle& self, std::size_t most) {
             py::list out;
             for (const auto& e : self.get()->instance.take_events(most)) out.append(event_dict(e));
             return out;
           })
      .def("learned_policy", [](const instance_handle& self) { return learned_policy(self.get()->instance); })
      .def("stats", [](const instance_handle& self) { return stats_dict(self.get()->instance.stats()); })
      .def("metrics",
           [](const instance_handle& self, const std::string& name) {
             metrics_registry all;
             take(uk::record_metrics(all, self.get()->instance.stats(), name));
             return all.prometheus();
           })
      .def("isolation", [](const instance_handle& self) { return self.get()->instance.isolation_report(); })
      .def("published", &published_at)
      .def("close", &close);
}

}  // namespace osvm::python
