#include "facts_output.hpp"

#include <osvm/kvm/facts_json.hpp>

#include <boost/json/parse.hpp>

#include "values.hpp"

namespace osvm::cli {
namespace {

const char* stub_name(kvm::syscall_stub stub) {
  return stub == kvm::syscall_stub::supervisor ? "supervisor" : "user";
}
const char* yes_no(bool value) {
  return value ? "yes" : "no";
}

}  // namespace

boost::json::object facts_json(const kvm::host_facts& f) {
  return boost::json::parse(kvm::to_json(f)).as_object();
}

text_table facts_table(const kvm::host_facts& f) {
  return {
      {"fact", "value", "meaning"},
      {"cpu", f.cpu, ""},
      {"cores", std::to_string(f.cores), "that this process may use"},
      {"kernel", f.kernel, ""},
      {"kvm vendor", f.kvm_vendor, "loaded KVM module"},
      {"syscall stub", stub_name(f.stub), "where a guest's SYSCALL arrives"},
      {"sysret works", yes_no(f.sysret_works), "return to the program without the VMM"},
      {"cpl0 emulated", yes_no(f.cpl0_emulated), "yes: a stock Linux kernel will not boot as guest"},
      {"huge pages", yes_no(f.huge_pages), "guest memory may use 2 MiB pages"},
      {"msr filter", yes_no(f.msr_filter), "guests reach no model-specific register"},
      {"read-only slots", yes_no(f.readonly_slots), "shared pages are write-protected by KVM"},
      {"sync regs", yes_no(f.sync_regs), "registers without extra system calls"},
      {"tsc direct", yes_no(f.tsc_direct), "guests read the clock without leaving the VM"},
      {"smep, smap", std::string(yes_no(f.smep)) + ", " + yes_no(f.smap), ""},
      {"fsgsbase", yes_no(f.fsgsbase), ""},
      {"physical bits", std::to_string(f.phys_bits), "guest-physical addresses"},
      {"max vcpus", std::to_string(f.max_vcpus), "threads of one guest at most"},
      {"tsc", std::to_string(f.tsc_khz), "kHz"},
      {"exit", show_number(f.exit_us), "us, a system call out of the guest and back"},
      {"first exit", show_number(f.first_exit_us), "us, an empty VM from nothing to its first exit"},
      {"probe", show_number(f.probe_ms), "ms, what finding this out took"},
  };
}

std::string facts_line(const kvm::host_facts& f) {
  return f.cpu + ", " + std::to_string(f.cores) + " cores, Linux " + f.kernel + ", " + f.kvm_vendor +
         ", stub " + stub_name(f.stub);
}

}  // namespace osvm::cli
