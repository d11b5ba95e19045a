// What this host's KVM can do, found by running a small VM rather than by reading CPU flags.
#pragma once

#include <osvm/core/error.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace osvm::kvm {

enum class errc {
  ok = 0,
  no_device,        // /dev/kvm does not exist: the host has no KVM, or the module is not loaded
  no_permission,    // /dev/kvm exists but may not be opened
  not_kvm,          // /dev/kvm opened, but does not speak the stable KVM API (version 12)
  missing_feature,  // KVM lacks a capability that osvm needs; the context names it
  probe_failed,     // the self-test VM did something unknown; the context says what
};

const boost::system::error_category& kvm_category() noexcept;
inline error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), kvm_category()};
}

// How guests enter the VMM for a system call.
enum class syscall_stub : std::uint8_t {
  supervisor,  // stub A: SYSCALL enters CPL 0 (VT-x, SVM); `out; sysretq` on a supervisor page
  user,  // stub B: SYSCALL stays at CPL 3 (page-table based hosts); `out` on a user page, the VMM returns
};

// What the probe read from /dev/kvm and instances need again; opaque, immutable, a few kilobytes, no
// descriptor.
struct system_info;

// Result of the start-up probe. A plain value.
struct host_facts {
  std::string cpu;         // model name from /proc/cpuinfo
  unsigned cores = 0;      // CPUs this process may run on
  std::string kernel;      // uname release
  std::string kvm_vendor;  // loaded vendor module: "kvm_intel", "kvm_amd", "kvm_pvm" or "unknown"
  syscall_stub stub = syscall_stub::supervisor;
  bool sysret_works = false;    // SYSRETQ returns to CPL 3 (meaningful with the supervisor stub)
  bool cpl0_emulated = false;   // CPL 0 code takes far longer than native: a stock Linux kernel will not boot
  bool huge_pages = false;      // transparent huge pages may back guest memory
  bool msr_filter = false;      // KVM_CAP_X86_MSR_FILTER
  bool readonly_slots = false;  // KVM_CAP_READONLY_MEM
  bool sync_regs = false;       // KVM_CAP_SYNC_REGS with registers and sregs
  bool tsc_direct = false;      // guest RDTSC reads the host's TSC, unscaled: the clock page works
  bool smep = false;
  bool smap = false;
  bool fsgsbase = false;
  unsigned phys_bits = 36;  // guest-physical address bits
  unsigned max_vcpus = 1;
  std::uint64_t tsc_khz = 0;
  double exit_us = 0;        // median of a system call's way out of the guest and back, microseconds
  double first_exit_us = 0;  // raw KVM: create VM, slot, vCPU, run to the first exit, microseconds
  double probe_ms = 0;       // what the probe itself took
  std::shared_ptr<const system_info> system;  // spares each instance a query of about 0.1 ms; may be null
};

// Opens /dev/kvm and runs the self-test VM (a few milliseconds). Holds nothing afterwards; keeps no global
// state: callers keep the value. Thread-safe. Errors: kvm::errc.
result<host_facts> probe_host();

}  // namespace osvm::kvm

template <>
struct boost::system::is_error_code_enum<osvm::kvm::errc> : std::true_type {};
