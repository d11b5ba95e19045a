#include <osvm/kvm/facts_json.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <cmath>

namespace osvm::kvm {
namespace {

double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

}  // namespace

std::string to_json(const host_facts& f) {
  return boost::json::serialize(boost::json::object{
      {"cpu", f.cpu},
      {"cores", f.cores},
      {"kernel", f.kernel},
      {"isolation", "hardware"},
      {"kvm",
       {{"vendor", f.kvm_vendor},
        {"stub", f.stub == syscall_stub::supervisor ? "supervisor" : "user"},
        {"sysret_works", f.sysret_works},
        {"cpl0_emulated", f.cpl0_emulated},
        {"huge_pages", f.huge_pages},
        {"msr_filter", f.msr_filter},
        {"readonly_slots", f.readonly_slots},
        {"sync_regs", f.sync_regs},
        {"tsc_direct", f.tsc_direct},
        {"smep", f.smep},
        {"smap", f.smap},
        {"fsgsbase", f.fsgsbase},
        {"phys_bits", f.phys_bits},
        {"max_vcpus", f.max_vcpus},
        {"tsc_khz", f.tsc_khz},
        {"exit_us", rounded(f.exit_us)},
        {"first_exit_us", rounded(f.first_exit_us)},
        {"probe_ms", rounded(f.probe_ms)}}},
  });
}

}  // namespace osvm::kvm
