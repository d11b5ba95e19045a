#include "json.hpp"

#include <osvm/kvm/facts_json.hpp>
#include <osvm/unikernel/identifiers.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace osvm::capi {
namespace {

namespace json = boost::json;

json::object fault_object(const unikernel::fault_info& f) {
  static constexpr const char* names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  json::object registers;
  for (std::size_t i = 0; i < f.gpr.size(); ++i) registers[names[i]] = f.gpr[i];
  registers["rip"] = f.rip;
  registers["rflags"] = f.rflags;
  return {{"kind", unikernel::to_string(f.kind)},
          {"vector", f.vector},
          {"error_code", f.error_code},
          {"address", f.address},
          {"thread", f.thread},
          {"detail", f.detail},
          {"registers", std::move(registers)}};
}

}  // namespace

std::string to_json(const kvm::host_facts& f) {
  return kvm::to_json(f);
}

std::string to_json(const unikernel::exit_report& r) {
  json::object o{
      {"cause", unikernel::identifier(r.cause)}, {"status", r.status},          {"signal", r.signal},
      {"shell_status", r.shell_status()},        {"description", r.describe()}, {"detail", r.detail}};
  o["fault"] = r.fault ? json::value(fault_object(*r.fault)) : json::value(nullptr);
  return json::serialize(o);
}

std::string to_json(const unikernel::instance_stats& s) {
  json::object syscalls;
  for (const auto& [name, count] : s.syscalls) syscalls[name] = count;
  json::array denials, granted, refused;
  for (const auto& g : s.granted) {
    granted.push_back({{"host", g.host_path}, {"guest", g.guest_path}, {"needed_by", g.needed_by}});
  }
  for (const auto& r : s.refused) {
    refused.push_back({{"name", r.name}, {"needed_by", r.needed_by}, {"reason", r.reason}});
  }
  for (const auto& d : s.denials) denials.push_back({{"what", d.what}, {"rule", d.rule}, {"count", d.count}});
  return json::serialize(json::object{
      {"boot_ns",
       {{"vm", s.boot.vm.count()},
        {"memory", s.boot.memory.count()},
        {"vcpu", s.boot.vcpu.count()},
        {"start", s.boot.start.count()},
        {"total", s.boot.total.count()}}},
      {"exits", s.exits},
      {"polled_calls", s.polled_calls},
      {"page_faults", s.page_faults},
      {"syscalls", std::move(syscalls)},
      {"denials", std::move(denials)},
      {"granted", std::move(granted)},
      {"refused", std::move(refused)},
      {"memory_bytes", s.memory_bytes},
      {"memory_peak_bytes", s.memory_peak_bytes},
      {"resident_bytes", s.resident_bytes},
      {"page_table_bytes", s.page_table_bytes},
      {"threads", s.threads},
      {"processes_started", s.processes_started},
      {"descriptors", s.descriptors},
      {"written_bytes", s.written_bytes},
      {"cpu_time_ns", s.cpu_time.count()},
      {"socket_received_bytes", s.socket_received_bytes},
      {"socket_sent_bytes", s.socket_sent_bytes},
      {"events_dropped", s.events_dropped},
  });
}

std::string to_json(std::span<const unikernel::event> events) {
  std::string out = "[";
  for (const auto& e : events) out += (out.size() > 1 ? "," : "") + unikernel::to_json(e);
  return out + "]";
}

std::string to_json(const hotswap::shift_report& r) {
  const bool active = r.state == hotswap::release_state::active;
  return json::serialize(json::object{
      {"version", r.version},
      {"state", hotswap::to_string(r.state)},
      {"failed_at", active ? json::value(nullptr) : json::value(hotswap::to_string(r.failed_at))},
      {"reason", r.reason},
      {"replaced", r.replaced},
      {"generation", r.generation},
      {"times_ns",
       {{"start", r.start.count()},
        {"probe", r.probe.count()},
        {"warm", r.warm.count()},
        {"shift", r.shift.count()},
        {"bake", r.bake.count()},
        {"drain", r.drain.count()},
        {"stop", r.stop.count()},
        {"total", r.total.count()}}},
      {"probe_attempts", r.probe_attempts},
      {"warmup_requests", r.warmup_requests},
      {"drained", r.drained},
      {"cut", r.cut},
      {"stop_error", r.stop_error},
  });
}

std::string to_json(const hotswap::proxy_stats& s) {
  return json::serialize(json::object{
      {"accepted", s.accepted},
      {"active", s.active},
      {"refused", s.refused},
      {"requests", s.requests},
      {"answered", s.answered},
      {"failed", s.failed()},
      {"failures",
       {{"bad_requests", s.bad_requests},
        {"client_timeouts", s.client_timeouts},
        {"no_release", s.no_release},
        {"connect_failed", s.connect_failed},
        {"upstream_closed", s.upstream_closed},
        {"upstream_invalid", s.upstream_invalid},
        {"upstream_timeouts", s.upstream_timeouts},
        {"truncated", s.truncated}}},
      {"client_aborted", s.client_aborted},
      {"cut", s.cut},
      {"retried", s.retried},
      {"upgraded", s.upgraded},
      {"bytes_to_release", s.bytes_to_release},
      {"bytes_to_client", s.bytes_to_client},
      {"shifts", s.shifts},
  });
}

}  // namespace osvm::capi
