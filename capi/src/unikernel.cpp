// osvm_unikernel.h over osvm/unikernel.
#include <osvm_unikernel.h>

#include <osvm/unikernel/instance.hpp>
#include <osvm/unikernel/metrics.hpp>

#include "guard.hpp"
#include "handles.hpp"
#include "json.hpp"
#include "versioned.hpp"

#include <numeric>
#include <span>

namespace uk = osvm::unikernel;
using namespace osvm::capi;

struct osvm_unikernel_exit {
  uk::exit_report report;
  std::string description;
  std::string json;
};

namespace {

#define SAME(c, cpp) static_assert(static_cast<unsigned>(c) == static_cast<unsigned>(cpp))
SAME(OSVM_UNIKERNEL_NOT_AN_ELF, uk::errc::not_an_elf);
SAME(OSVM_UNIKERNEL_WRONG_ARCHITECTURE, uk::errc::wrong_architecture);
SAME(OSVM_UNIKERNEL_MALFORMED_ELF, uk::errc::malformed_elf);
SAME(OSVM_UNIKERNEL_BAD_LOADER, uk::errc::bad_loader);
SAME(OSVM_UNIKERNEL_TOO_LARGE, uk::errc::too_large);
SAME(OSVM_UNIKERNEL_BAD_POLICY, uk::errc::bad_policy);
SAME(OSVM_UNIKERNEL_ISOLATION_UNSUPPORTED, uk::errc::isolation_unsupported);
SAME(OSVM_UNIKERNEL_ARGUMENTS_TOO_LONG, uk::errc::arguments_too_long);
SAME(OSVM_UNIKERNEL_CANNOT_SNAPSHOT, uk::errc::cannot_snapshot);
SAME(OSVM_UNIKERNEL_BAD_TEMPLATE, uk::errc::bad_template);
SAME(OSVM_UNIKERNEL_DEBUGGER_UNSUPPORTED, uk::errc::debugger_unsupported);
SAME(OSVM_UNIKERNEL_LEARN_OFF, uk::learning::off);
SAME(OSVM_UNIKERNEL_LEARN_DENIALS, uk::learning::denials);
SAME(OSVM_UNIKERNEL_LEARN_ALLOW_ALL, uk::learning::allow_all);
SAME(OSVM_UNIKERNEL_TCP, uk::transport::tcp);
SAME(OSVM_UNIKERNEL_VSOCK, uk::transport::vsock);
SAME(OSVM_UNIKERNEL_STDIO_NULL, uk::stdio::kind::null);
SAME(OSVM_UNIKERNEL_STDIO_FD, uk::stdio::kind::fd);
SAME(OSVM_UNIKERNEL_STDIO_CAPTURE, uk::stdio::kind::capture);
SAME(OSVM_UNIKERNEL_STDIO_BYTES, uk::stdio::kind::bytes);
SAME(OSVM_UNIKERNEL_STDIO_LOG, uk::stdio::kind::log);
SAME(OSVM_UNIKERNEL_HARDWARE, uk::isolation::hardware);
SAME(OSVM_UNIKERNEL_PROCESS, uk::isolation::process);
SAME(OSVM_UNIKERNEL_EXITED, uk::exit_cause::exited);
SAME(OSVM_UNIKERNEL_SIGNALED, uk::exit_cause::signaled);
SAME(OSVM_UNIKERNEL_FAULTED, uk::exit_cause::faulted);
SAME(OSVM_UNIKERNEL_KILLED, uk::exit_cause::killed);
SAME(OSVM_UNIKERNEL_MEMORY_BUDGET, uk::exit_cause::memory_budget);
SAME(OSVM_UNIKERNEL_CPU_BUDGET, uk::exit_cause::cpu_budget);
SAME(OSVM_UNIKERNEL_WALL_BUDGET, uk::exit_cause::wall_budget);
SAME(OSVM_UNIKERNEL_FAILED, uk::exit_cause::failed);
#undef SAME

osvm_unikernel_options default_options() {
  const uk::budgets b;
  osvm_unikernel_options o{};
  o.name = "guest";
  o.max_threads = b.threads;
  o.max_processes = b.processes;
  o.max_descriptors = b.descriptors;
  o.memory_bytes = b.memory_bytes;
  o.written_bytes = b.written_bytes;
  o.event_capacity = 1024;
  return o;
}

osvm::error invalid(std::string what) {
  return {osvm::errc::invalid_argument, std::move(what)};
}

// An array that a C caller passed: a null pointer is fine only when the count is zero.
template <class T>
osvm::result<std::span<const T>> array(const T* items, std::size_t count, const char* name) {
  if (count != 0 && !items) return null_argument(name);
  return std::span<const T>(items, count);
}

osvm::result<std::vector<std::string>> strings(const char* const* items, std::size_t count,
                                               const char* name) {
  OSVM_TRY(const auto all, array(items, count, name));
  std::vector<std::string> out;
  for (const char* s : all) {
    if (!s) return null_argument(name);
    out.emplace_back(s);
  }
  return out;
}

osvm::result<uk::listener> listener_of(const osvm_unikernel_listener& l) {
  if (l.transport > OSVM_UNIKERNEL_VSOCK) return invalid("listener.transport is unknown");
  return uk::listener{static_cast<uk::transport>(l.transport), l.port};
}

osvm::result<uk::policy> policy_of(const osvm_unikernel_options& o) {
  uk::policy p;
  OSVM_TRY(const auto mounts, array(o.mounts, o.mount_count, "mounts"));
  for (const auto& m : mounts) {
    OSVM_REQUIRE(m.host_path);
    OSVM_REQUIRE(m.guest_path);
    if (m.flags & ~static_cast<unsigned>(OSVM_UNIKERNEL_MOUNT_WRITABLE))
      return invalid("mount.flags has unknown bits");
    p.mounts.push_back({m.host_path, m.guest_path, (m.flags & OSVM_UNIKERNEL_MOUNT_WRITABLE) != 0});
  }
  OSVM_TRY(const auto listeners, array(o.listeners, o.listener_count, "listeners"));
  for (const auto& l : listeners) {
    OSVM_TRY(auto one, listener_of(l));
    p.listen.push_back(one);
  }
  OSVM_TRY(const auto ports, array(o.vsock_connect, o.vsock_connect_count, "vsock_connect"));
  p.vsock_connect.assign(ports.begin(), ports.end());
  OSVM_TRY(const auto connections, strings(o.connect, o.connect_count, "connect"));
  for (const auto& text : connections) {
    OSVM_TRY(auto grant, uk::parse_connect_grant(text));
    p.connect.push_back(std::move(grant));
  }
  OSVM_TRY(const auto unix_listeners, strings(o.listen_unix, o.listen_unix_count, "listen_unix"));
  for (const auto& text : unix_listeners) {
    OSVM_TRY(auto grant, uk::parse_unix_listener(text));
    p.listen_unix.push_back(std::move(grant));
  }
  OSVM_TRY(const auto scratch, strings(o.tmpfs, o.tmpfs_count, "tmpfs"));
  for (const auto& text : scratch) {
    OSVM_TRY(auto folder, uk::parse_tmpfs(text));
    p.scratch.push_back(std::move(folder));
  }
  OSVM_TRY(p.environment, strings(o.environment, o.environment_count, "environment"));
  if (o.allow & ~static_cast<unsigned>(OSVM_UNIKERNEL_ALLOW_JIT)) return invalid("allow has unknown bits");
  p.allow.jit = (o.allow & OSVM_UNIKERNEL_ALLOW_JIT) != 0;
  return p;
}

std::chrono::nanoseconds milliseconds_of(std::uint64_t ms) {
  return timeout_of(static_cast<std::int64_t>(std::min<std::uint64_t>(ms, INT64_MAX)));
}

uk::budgets budgets_of(const osvm_unikernel_options& o) {
  return {.memory_bytes = o.memory_bytes,
          .threads = o.max_threads,
          .processes = o.max_processes != 0 ? o.max_processes : uk::budgets().processes,
          .descriptors = o.max_descriptors,
          .written_bytes = o.written_bytes,
          .cpu_time = milliseconds_of(o.cpu_time_ms),
          .wall_time = milliseconds_of(o.wall_time_ms)};
}

uk::event_handler handler_of(void (*call)(const char*, void*), void* data) {
  if (!call) return {};
  return [call, data](std::span<const uk::event> events) {
    try {
      call(to_json(events).c_str(), data);
    } catch (const std::bad_alloc&) {  // these events are lost; a handler must not throw
    }
  };
}

osvm_unikernel_adopt_options default_adopt_options() {
  osvm_unikernel_adopt_options o{};
  o.event_capacity = 1024;
  return o;
}

// Policy file, events and learning.
osvm::result<void> observe(const osvm_unikernel_options& o, uk::instance_options& out) {
  if (o.policy_file) {
    uk::policy_file_options start;
    start.defaults = {out.policy, out.budgets};
    OSVM_TRY(auto file, uk::load_policy(o.policy_file, start));
    out.policy = std::move(file.granted);
    out.budgets = file.limits;
  }
  if (o.events & ~(OSVM_UNIKERNEL_EVENTS_DENIALS | OSVM_UNIKERNEL_EVENTS_TRACE))
    return invalid("events has unknown bits");
  if (o.learn > OSVM_UNIKERNEL_LEARN_ALLOW_ALL) return invalid("learn is unknown");
  out.events.denials = (o.events & OSVM_UNIKERNEL_EVENTS_DENIALS) != 0;
  out.events.trace = (o.events & OSVM_UNIKERNEL_EVENTS_TRACE) != 0;
  out.events.capacity = o.event_capacity;
  out.events.handler = handler_of(o.on_events, o.on_events_data);
  out.learn = static_cast<uk::learning>(o.learn);
  return {};
}

osvm::result<uk::worker_limits> limits_of(const osvm_unikernel_options& o) {
  uk::worker_limits l{.memory_bytes = o.limit_memory_bytes,
                      .cpu_percent = o.limit_cpu_percent,
                      .tasks = o.limit_tasks,
                      .parent = o.limit_parent ? o.limit_parent : ""};
  if (l.any() && !o.worker) return invalid("limits need a worker");
  return l;
}

osvm::result<uk::instance_options> options_of(const osvm_unikernel_options& o) {
  if (o.isolation > OSVM_UNIKERNEL_PROCESS) return invalid("isolation is unknown");
  uk::instance_options out;
  OSVM_TRY(out.arguments, strings(o.arguments, o.argument_count, "arguments"));
  OSVM_TRY(out.policy, policy_of(o));
  out.budgets = budgets_of(o);
  out.level = static_cast<uk::isolation>(o.isolation);
  OSVM_TRY(out.input, stdio_of(o.input, "input"));
  OSVM_TRY(out.output, stdio_of(o.output, "output"));
  OSVM_TRY(out.error, stdio_of(o.error, "error"));
  if (o.socket_dir) out.socket_dir = o.socket_dir;
  if (o.name) out.name = o.name;
  if (o.host) out.facts = &o.host->facts;
  constexpr unsigned known = OSVM_UNIKERNEL_GRANT_LIBRARIES | OSVM_UNIKERNEL_EXITLESS | OSVM_UNIKERNEL_JAIL;
  if (o.flags & ~known) return invalid("flags has unknown bits");
  const bool jail = (o.flags & OSVM_UNIKERNEL_JAIL) != 0;
  if (jail && !o.worker) return invalid("JAIL needs a worker");
  OSVM_TRY(const auto limits, limits_of(o));
  if (o.orphan_after_ms != 0 && !o.worker) return invalid("orphan_after_ms needs a worker");
  if (o.worker) {
    out.worker = uk::worker_options{.program = o.worker,
                                    .jail = jail,
                                    .limits = limits,
                                    .orphan_after = milliseconds_of(o.orphan_after_ms)};
  }
  out.grant_libraries = (o.flags & OSVM_UNIKERNEL_GRANT_LIBRARIES) != 0;
  out.exitless = (o.flags & OSVM_UNIKERNEL_EXITLESS) != 0;
  if (o.working_directory) out.working_directory = o.working_directory;
  if (o.executable) out.executable = o.executable;
  OSVM_CHECK(observe(o, out));
  return out;
}

}  // namespace

osvm::result<uk::stdio> osvm::capi::stdio_of(const osvm_unikernel_stdio& s, const char* name) {
  switch (s.kind) {
    case OSVM_UNIKERNEL_STDIO_NULL: return uk::stdio{};
    case OSVM_UNIKERNEL_STDIO_FD: return uk::stdio::from_fd(s.fd);
    case OSVM_UNIKERNEL_STDIO_CAPTURE: return uk::stdio::capture(s.size);
    case OSVM_UNIKERNEL_STDIO_BYTES: {
      OSVM_TRY(const auto bytes, array(static_cast<const char*>(s.bytes), s.size, name));
      return uk::stdio::bytes(std::string(bytes.begin(), bytes.end()));
    }
    case OSVM_UNIKERNEL_STDIO_LOG: return uk::stdio::log();
  }
  return invalid(std::string(name) + ".kind is unknown");
}

osvm::result<uk::instance_options> osvm::capi::instance_options_of(const osvm_unikernel_options* o) {
  OSVM_TRY(const auto given, read_versioned(o, default_options(), "osvm_unikernel_options"));
  return options_of(given);
}

namespace {

osvm_unikernel_stats stats_of(const uk::instance_stats& s) {
  const auto ns = [](std::chrono::nanoseconds d) { return static_cast<std::uint64_t>(d.count()); };
  osvm_unikernel_stats out{};
  out.threads = s.threads;
  out.processes_started =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(s.processes_started, UINT32_MAX));
  out.boot_vm_ns = ns(s.boot.vm);
  out.boot_memory_ns = ns(s.boot.memory);
  out.boot_vcpu_ns = ns(s.boot.vcpu);
  out.boot_start_ns = ns(s.boot.start);
  out.boot_total_ns = ns(s.boot.total);
  out.exits = s.exits;
  out.page_faults = s.page_faults;
  for (const auto& call : s.syscalls) out.syscalls += call.second;
  for (const auto& d : s.denials) out.denials += d.count;
  out.memory_bytes = s.memory_bytes;
  out.memory_peak_bytes = s.memory_peak_bytes;
  out.resident_bytes = s.resident_bytes;
  out.page_table_bytes = s.page_table_bytes;
  out.written_bytes = s.written_bytes;
  out.cpu_time_ns = ns(s.cpu_time);
  out.events_dropped = s.events_dropped;
  out.descriptors = s.descriptors;
  out.socket_received_bytes = s.socket_received_bytes;
  out.socket_sent_bytes = s.socket_sent_bytes;
  return out;
}

}  // namespace

extern "C" {

osvm_error* osvm_unikernel_image_load(const char* path, osvm_unikernel_image** out_image) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(path);
    OSVM_REQUIRE(out_image);
    OSVM_TRY(auto image, uk::image::load(path));
    *out_image = new osvm_unikernel_image{std::move(image)};
    return {};
  });
}

osvm_error* osvm_unikernel_image_parse(const void* bytes, size_t size, const char* name,
                                       osvm_unikernel_image** out_image) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(bytes);
    OSVM_REQUIRE(name);
    OSVM_REQUIRE(out_image);
    OSVM_TRY(auto image, uk::image::parse({static_cast<const std::byte*>(bytes), size}, name));
    *out_image = new osvm_unikernel_image{std::move(image)};
    return {};
  });
}

void osvm_unikernel_image_free(osvm_unikernel_image* image) {
  delete image;
}

void osvm_unikernel_options_init(osvm_unikernel_options* options, uint32_t struct_size) {
  init_versioned(options, struct_size, default_options());
}

osvm_error* osvm_unikernel_instance_start(osvm_runtime* runtime, const osvm_unikernel_image* image,
                                          const osvm_unikernel_options* options,
                                          osvm_unikernel_instance** out_instance) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(runtime);
    OSVM_REQUIRE(image);
    OSVM_REQUIRE(out_instance);
    OSVM_TRY(auto converted, instance_options_of(options));
    auto shared = runtime->shared;
    OSVM_TRY(auto instance, uk::instance::create(shared->get_executor(), image->image, std::move(converted)));
    *out_instance = new osvm_unikernel_instance{std::move(shared), std::move(instance)};
    return {};
  });
}

osvm_error* osvm_unikernel_instance_ticket(const osvm_unikernel_instance* instance, char** out_ticket) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(out_ticket);
    OSVM_TRY(const auto ticket, instance->instance.ticket());
    *out_ticket = copy_string(uk::to_string(ticket));
    return {};
  });
}

void osvm_unikernel_adopt_options_init(osvm_unikernel_adopt_options* options, uint32_t struct_size) {
  init_versioned(options, struct_size, default_adopt_options());
}

osvm_error* osvm_unikernel_instance_adopt(osvm_runtime* runtime, const char* ticket,
                                          const osvm_unikernel_adopt_options* options,
                                          osvm_unikernel_instance** out_instance) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(runtime);
    OSVM_REQUIRE(ticket);
    OSVM_REQUIRE(out_instance);
    OSVM_TRY(const auto given,
             read_versioned(options, default_adopt_options(), "osvm_unikernel_adopt_options"));
    OSVM_TRY(const auto parsed, uk::parse_adoption_ticket(ticket));
    uk::adopt_options how;
    how.events.capacity = given.event_capacity;
    how.events.handler = handler_of(given.on_events, given.on_events_data);
    auto shared = runtime->shared;
    OSVM_TRY(auto instance, uk::instance::adopt(shared->get_executor(), parsed, std::move(how)));
    *out_instance = new osvm_unikernel_instance{std::move(shared), std::move(instance)};
    return {};
  });
}

osvm_error* osvm_unikernel_instance_wait(osvm_unikernel_instance* instance, int64_t timeout_ms,
                                         osvm_unikernel_exit** out_exit) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_TRY(auto report, instance->instance.wait(timeout_of(timeout_ms)));
    if (!out_exit) return {};
    auto description = report.describe();
    auto json = to_json(report);
    *out_exit = new osvm_unikernel_exit{std::move(report), std::move(description), std::move(json)};
    return {};
  });
}

osvm_error* osvm_unikernel_instance_kill(osvm_unikernel_instance* instance) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    instance->instance.kill();
    return {};
  });
}

osvm_error* osvm_unikernel_instance_signal(osvm_unikernel_instance* instance, int32_t number) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    return instance->instance.signal(number);
  });
}

osvm_error* osvm_unikernel_instance_wait_listening(osvm_unikernel_instance* instance,
                                                   const osvm_unikernel_listener* listener,
                                                   int64_t timeout_ms, char** out_endpoint) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(listener);
    OSVM_REQUIRE(out_endpoint);
    OSVM_TRY(const auto which, listener_of(*listener));
    OSVM_TRY(const auto where, instance->instance.wait_listening(which, timeout_of(timeout_ms)));
    *out_endpoint = copy_string(osvm::to_string(where));
    return {};
  });
}

osvm_error* osvm_unikernel_instance_take_output(osvm_unikernel_instance* instance, int32_t descriptor,
                                                char** out_bytes, size_t* out_size) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(out_bytes);
    if (descriptor != 1 && descriptor != 2) return invalid("argument 'descriptor' must be 1 or 2");
    const std::string bytes = instance->instance.take_output(descriptor);
    *out_bytes = copy_string(bytes);
    if (out_size) *out_size = bytes.size();
    return {};
  });
}

osvm_error* osvm_unikernel_instance_take_events_json(osvm_unikernel_instance* instance, size_t most,
                                                     char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(out_json);
    *out_json = copy_string(to_json(instance->instance.take_events(most)));
    return {};
  });
}

osvm_error* osvm_unikernel_instance_learned_policy(const osvm_unikernel_instance* instance, char** out_yaml) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(out_yaml);
    OSVM_TRY(const auto learned, instance->instance.learned());
    std::string notes;
    for (const auto& n : learned.notes) notes += "Not granted: " + n + "\n";
    *out_yaml = copy_string(uk::format_policy(learned.policy, notes));
    return {};
  });
}

osvm_error* osvm_unikernel_instance_isolation(const osvm_unikernel_instance* instance, char** out_text) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(out_text);
    *out_text = copy_string(instance->instance.isolation_report());
    return {};
  });
}

void osvm_unikernel_instance_free(osvm_unikernel_instance* instance) {
  delete instance;
}

uint32_t osvm_unikernel_exit_cause(const osvm_unikernel_exit* report) {
  return static_cast<uint32_t>(report ? report->report.cause : uk::exit_cause::failed);
}
int32_t osvm_unikernel_exit_status(const osvm_unikernel_exit* report) {
  return report ? report->report.status : -1;
}
int32_t osvm_unikernel_exit_signal(const osvm_unikernel_exit* report) {
  return report ? report->report.signal : 0;
}
int32_t osvm_unikernel_exit_shell_status(const osvm_unikernel_exit* report) {
  return report ? report->report.shell_status() : 125;
}
const char* osvm_unikernel_exit_description(const osvm_unikernel_exit* report) {
  return report ? report->description.c_str() : "";
}
const char* osvm_unikernel_exit_json(const osvm_unikernel_exit* report) {
  return report ? report->json.c_str() : "";
}
void osvm_unikernel_exit_free(osvm_unikernel_exit* report) {
  delete report;
}

void osvm_unikernel_stats_init(osvm_unikernel_stats* stats, uint32_t struct_size) {
  init_versioned(stats, struct_size, osvm_unikernel_stats{});
}

osvm_error* osvm_unikernel_instance_stats(const osvm_unikernel_instance* instance,
                                          osvm_unikernel_stats* stats) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(stats);
    return write_versioned(stats, stats_of(instance->instance.stats()), "osvm_unikernel_stats");
  });
}

osvm_error* osvm_unikernel_instance_metrics(const osvm_unikernel_instance* instance, const char* name,
                                            char** out_text) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(name);
    OSVM_REQUIRE(out_text);
    osvm::metrics_registry all;
    OSVM_CHECK(uk::record_metrics(all, instance->instance.stats(), name));
    *out_text = copy_string(all.prometheus());
    return {};
  });
}

osvm_error* osvm_unikernel_instance_stats_json(const osvm_unikernel_instance* instance, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(out_json);
    *out_json = copy_string(to_json(instance->instance.stats()));
    return {};
  });
}

}  // extern "C"
