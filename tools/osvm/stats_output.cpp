#include "stats_output.hpp"

#include <osvm/core/text.hpp>

#include <osvm/unikernel/identifiers.hpp>

#include <boost/json/array.hpp>

#include "values.hpp"

namespace osvm::cli {
namespace {

using unikernel::boot_phases;
using unikernel::exit_report;
using unikernel::instance_stats;

double ms(std::chrono::nanoseconds d) {
  return static_cast<double>(d.count()) / 1e6;
}

boost::json::object boot_json(const boot_phases& b) {
  return {{"vm_ms", ms(b.vm)},
          {"memory_ms", ms(b.memory)},
          {"vcpu_ms", ms(b.vcpu)},
          {"start_ms", ms(b.start)},
          {"total_ms", ms(b.total)}};
}

std::string boot_text(const boot_phases& b) {
  return "boot      " + show_duration(b.total) + " (vm " + show_duration(b.vm) + ", memory " +
         show_duration(b.memory) + ", vcpu " + show_duration(b.vcpu) + ", start " + show_duration(b.start) +
         ")\n";
}

std::string memory_text(const instance_stats& s) {
  return "memory    " + show_size(s.memory_bytes) + " now, " + show_size(s.memory_peak_bytes) + " at most, " +
         show_size(s.resident_bytes) + " resident, " + show_size(s.page_table_bytes) + " page tables\n";
}

// What was granted without being asked for, and what was named in the program's files but not granted.
std::string libraries_text(const instance_stats& s) {
  std::string out;
  if (!s.granted.empty()) {
    text_table granted{{"granted unasked, read-only", "as", "needed by"}};
    for (const auto& g : s.granted)
      granted.push_back({printable(g.host_path), printable(g.guest_path), printable(g.needed_by)});
    out += "\n" + render(granted);
  }
  if (!s.refused.empty()) {
    text_table refused{{"named, not granted", "by", "since"}};
    for (const auto& r : s.refused)
      refused.push_back({printable(r.name), printable(r.needed_by), printable(r.reason)});
    out += "\n" + render(refused);
  }
  return out;
}

}  // namespace

std::uint64_t total_syscalls(const instance_stats& stats) {
  std::uint64_t sum = 0;
  for (const auto& [name, count] : stats.syscalls) sum += count;
  return sum;
}

boost::json::object stats_json(const instance_stats& s, const exit_report& ended) {
  boost::json::object calls;
  for (const auto& [name, count] : s.syscalls) calls[name] = count;
  boost::json::array denials;
  for (const auto& d : s.denials) {
    denials.push_back({{"what", d.what}, {"rule", d.rule}, {"count", d.count}});
  }
  boost::json::array granted, refused;
  for (const auto& g : s.granted) {
    granted.push_back({{"host", g.host_path}, {"guest", g.guest_path}, {"needed_by", g.needed_by}});
  }
  for (const auto& r : s.refused) {
    refused.push_back({{"name", r.name}, {"needed_by", r.needed_by}, {"reason", r.reason}});
  }
  return {{"exit",
           {{"cause", unikernel::identifier(ended.cause)},
            {"status", ended.status},
            {"signal", ended.signal},
            {"shell_status", ended.shell_status()},
            {"text", ended.describe()}}},
          {"boot", boot_json(s.boot)},
          {"granted", std::move(granted)},
          {"refused", std::move(refused)},
          {"exits", s.exits},
          {"polled_calls", s.polled_calls},
          {"page_faults", s.page_faults},
          {"syscalls", std::move(calls)},
          {"denials", std::move(denials)},
          {"memory_bytes", s.memory_bytes},
          {"memory_peak_bytes", s.memory_peak_bytes},
          {"resident_bytes", s.resident_bytes},
          {"page_table_bytes", s.page_table_bytes},
          {"written_bytes", s.written_bytes},
          {"socket_received_bytes", s.socket_received_bytes},
          {"socket_sent_bytes", s.socket_sent_bytes},
          {"threads", s.threads},
          {"processes_started", s.processes_started},
          {"descriptors", s.descriptors},
          {"cpu_ms", ms(s.cpu_time)},
          {"events_dropped", s.events_dropped}};
}

std::string stats_text(const instance_stats& s, const exit_report& ended) {
  std::string out = "ended     " + ended.describe() + "\n" + boot_text(s.boot) + memory_text(s);
  out += "used      " + show_duration(s.cpu_time) + " cpu, " + std::to_string(s.exits) + " exits, " +
         (s.polled_calls ? std::to_string(s.polled_calls) + " calls without an exit, " : "") +
         (s.processes_started > 1 ? std::to_string(s.processes_started) + " processes, " : "") +
         std::to_string(s.page_faults) + " page faults, " + show_size(s.written_bytes) + " written\n";
  if (s.socket_received_bytes + s.socket_sent_bytes != 0) {
    out += "network   " + show_size(s.socket_received_bytes) + " received, " +
           show_size(s.socket_sent_bytes) + " sent\n";
  }
  if (!s.syscalls.empty()) {
    text_table calls{{"system call", "count"}};
    for (const auto& [name, count] : s.syscalls) calls.push_back({name, std::to_string(count)});
    out += "\n" + render(calls);
  }
  out += libraries_text(s);
  if (s.denials.empty()) return out + "\nnothing was denied\n";
  text_table denied{{"denied", "count", "would be granted by"}};
  for (const auto& d : s.denials) denied.push_back({d.what, std::to_string(d.count), d.rule});
  return out + "\n" + render(denied);
}

}  // namespace osvm::cli
