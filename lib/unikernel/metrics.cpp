#include <osvm/unikernel/metrics.hpp>

#include <array>

namespace osvm::unikernel {
namespace {

struct counter_metric {
  const char *name, *help;
  std::uint64_t (*value)(const instance_stats&);
};

constexpr std::array counter_metrics{
    counter_metric{"osvm_instance_exits_total", "Returns from the virtual machine.",
                   [](const instance_stats& s) { return s.exits; }},
    counter_metric{"osvm_instance_polled_calls_total", "System calls answered without an exit.",
                   [](const instance_stats& s) { return s.polled_calls; }},
    counter_metric{"osvm_instance_page_faults_total", "Guest faults served by handing out memory.",
                   [](const instance_stats& s) { return s.page_faults; }},
    counter_metric{"osvm_instance_denials_total", "What policy or a budget has refused.",
                   [](const instance_stats& s) {
                     std::uint64_t sum = 0;
                     for (const denial& d : s.denials) sum += d.count;
                     return sum;
                   }},
    counter_metric{"osvm_instance_cpu_microseconds_total", "Processor time of all guest threads.",
                   [](const instance_stats& s) {
                     return static_cast<std::uint64_t>(s.cpu_time / std::chrono::microseconds(1));
                   }},
    counter_metric{"osvm_instance_written_bytes_total", "Written below writable mounts.",
                   [](const instance_stats& s) { return s.written_bytes; }},
    counter_metric{"osvm_instance_socket_received_bytes_total",
                   "Received over TCP, vsock and the host's unix sockets.",
                   [](const instance_stats& s) { return s.socket_received_bytes; }},
    counter_metric{"osvm_instance_socket_sent_bytes_total",
                   "Sent over TCP, vsock and the host's unix sockets.",
                   [](const instance_stats& s) { return s.socket_sent_bytes; }},
    counter_metric{"osvm_instance_processes_started_total", "Guest processes, the first included.",
                   [](const instance_stats& s) { return s.processes_started; }},
    counter_metric{"osvm_instance_events_dropped_total", "Events that found no room.",
                   [](const instance_stats& s) { return s.events_dropped; }},
};

struct gauge_metric {
  const char *name, *help;
  std::uint64_t (*value)(const instance_stats&);
};

constexpr std::array gauge_metrics{
    gauge_metric{"osvm_instance_memory_bytes", "Guest pages handed out now.",
                 [](const instance_stats& s) { return s.memory_bytes; }},
    gauge_metric{"osvm_instance_memory_peak_bytes", "Guest pages handed out at most.",
                 [](const instance_stats& s) { return s.memory_peak_bytes; }},
    gauge_metric{"osvm_instance_resident_bytes", "Guest pages that the host has populated.",
                 [](const instance_stats& s) { return s.resident_bytes; }},
    gauge_metric{"osvm_instance_page_table_bytes", "Page tables of the guest.",
                 [](const instance_stats& s) { return s.page_table_bytes; }},
    gauge_metric{"osvm_instance_threads", "Guest threads alive.",
                 [](const instance_stats& s) { return std::uint64_t{s.threads}; }},
    gauge_metric{"osvm_instance_descriptors", "Open descriptors of the guest.",
                 [](const instance_stats& s) { return std::uint64_t{s.descriptors}; }},
};

void raise_to(counter& c, std::uint64_t value) {
  if (const std::uint64_t now = c.value(); value > now) c.add(value - now);
}

}  // namespace

result<void> record_metrics(metrics_registry& to, const instance_stats& stats, std::string_view instance) {
  const metric_labels own{{"instance", std::string(instance)}};
  for (const auto& m : counter_metrics) {
    OSVM_TRY(counter* const c, to.get_counter(m.name, m.help, own));
    raise_to(*c, m.value(stats));
  }
  for (const auto& m : gauge_metrics) {
    OSVM_TRY(gauge* const g, to.get_gauge(m.name, m.help, own));
    g->set(static_cast<double>(m.value(stats)));
  }
  for (const auto& [call, count] : stats.syscalls) {
    OSVM_TRY(counter* const c, to.get_counter("osvm_instance_system_calls_total",
                                              "System calls of the guest.", {own.front(), {"call", call}}));
    raise_to(*c, count);
  }
  return {};
}

}  // namespace osvm::unikernel
