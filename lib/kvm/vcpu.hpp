// One virtual CPU. Used by one thread at a time; a kick may come from any thread.
#pragma once

#include "kvm/registers.hpp"
#include "kvm/vm.hpp"

#include <osvm/core/mapping.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

struct kvm_run;

namespace osvm::kvm {

enum class exit_kind : std::uint8_t {
  io,    // IN/OUT/INS/OUTS: port, size, count, outgoing
  mmio,  // access to a guest-physical hole: address
  halt,
  shutdown,        // triple fault
  fail_entry,      // the CPU refused the state: detail
  internal_error,  // KVM's emulator could not go on: detail is the sub-error
  interrupted,     // a kick
  host_fault,      // a host page was not accessible at that moment: retry once its mapping is whole again.
                   // address: which, or 0 where KVM does not say
  other,           // detail is KVM's exit reason
};

struct exit_info {
  exit_kind kind = exit_kind::other;
  std::uint16_t port = 0;
  std::uint8_t size = 0;
  bool outgoing = false;
  std::uint32_t count = 0;
  std::uint64_t address = 0;
  std::uint64_t detail = 0;
};

// Segment state of a long-mode program: how a vCPU starts.
struct cpu_setup {
  std::uint64_t page_table = 0;             // CR3, guest-physical
  std::uint64_t gdt = 0, idt = 0, tss = 0;  // linear addresses
  std::uint16_t gdt_limit = 0, idt_limit = 0;
  std::uint32_t tss_limit = 0;
  std::uint64_t syscall_entry = 0;  // LSTAR
  bool smep_smap = true;
};

namespace selector {
inline constexpr std::uint16_t kernel_code = 0x08, kernel_data = 0x10, user_data = 0x23, user_code = 0x2b,
                               tss = 0x30;
}

class vcpu final {
 public:
  static result<vcpu> create(const system& sys, const vm& machine, unsigned id);

  // CPUID, XCR0, TSC, segments, MSRs: once per vCPU, before the first run.
  result<void> setup(const system& sys, const cpu_setup& how);
  // Lets `kick_signal`, which must be blocked in the running thread, interrupt run() and nothing else. No
  // signal handler is involved: run() eats the signal.
  result<void> accept_kicks(int kick_signal);

  // Runs until an exit. Never throws. After it, regs(), cpl(), cr2(), fs_base() are current.
  exit_info run() noexcept;

  // The guest's registers since the last exit. After a change call put_regs().
  registers& regs() noexcept;
  void put_regs() noexcept;
  // Loads code and stack segments of CPL 3 and the given registers at the next run.
  void enter_user(const registers& r) noexcept;
  // The same at CPL 0; only the start-up probe runs code there.
  void enter_kernel(const registers& r) noexcept;
  unsigned cpl() const noexcept;
  std::uint64_t cr2() const noexcept;
  std::uint64_t control4() const noexcept;  // CR4 as accepted by setup()
  std::uint64_t fs_base() const noexcept;
  std::uint64_t gs_base() const noexcept;
  void set_fs_base(std::uint64_t base) noexcept;  // the caller has checked user_canonical()
  void set_gs_base(std::uint64_t base) noexcept;
  // x87 and SSE control state (FCW, MXCSR) and registers of another, stopped vCPU.
  void copy_fpu(const vcpu& from) noexcept;
  // The whole extended state in the standard XSAVE format. set: false when KVM refuses the values.
  bool get_xsave(std::span<std::byte, 4096> out) const noexcept;
  bool set_xsave(std::span<const std::byte, 4096> in) noexcept;
  // After exit_kind::interrupted: an exception waits to be delivered. The registers are those before it, and
  // it would be lost if they were replaced now.
  bool exception_pending() const noexcept;
  int fd() const noexcept { return fd_.get(); }

 private:
  void enter_at(unsigned level, const registers& r) noexcept;

  unique_fd fd_;
  mapping run_map_;
  kvm_run* run_ = nullptr;
  int kick_signal_ = 0;
};

}  // namespace osvm::kvm
