#include "kvm/vcpu.hpp"

#include "kvm/ioctl.hpp"

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <ctime>

namespace osvm::kvm {
namespace {

static_assert(sizeof(registers) == sizeof(kvm_regs));
static_assert(offsetof(registers, rsp) == offsetof(kvm_regs, rsp) &&
              offsetof(registers, rip) == offsetof(kvm_regs, rip));

constexpr std::uint64_t cr0_pe = 1, cr0_mp = 2, cr0_ne = 1 << 5, cr0_wp = 1 << 16, cr0_am = 1 << 18,
                        cr0_pg = 1U << 31;
constexpr std::uint64_t efer_sce = 1, efer_lme = 1 << 8, efer_lma = 1 << 10, efer_nxe = 1 << 11;
constexpr std::uint32_t msr_star = 0xC0000081, msr_lstar = 0xC0000082, msr_sfmask = 0xC0000084;
// Flags that SYSCALL clears where it enters CPL 0: TF IF DF AC NT.
constexpr std::uint64_t sfmask = 0x100 | 0x200 | 0x400 | 0x40000 | 0x4000;

kvm_segment code_segment(unsigned dpl) {
  kvm_segment s{};
  s.limit = 0xffffffff;
  s.selector = dpl ? selector::user_code : selector::kernel_code;
  s.type = 11;
  s.present = 1;
  s.dpl = static_cast<std::uint8_t>(dpl);
  s.s = 1;
  s.l = 1;
  s.g = 1;
  return s;
}

kvm_segment data_segment(unsigned dpl) {
  kvm_segment s{};
  s.limit = 0xffffffff;
  s.selector = dpl ? selector::user_data : selector::kernel_data;
  s.type = 3;
  s.present = 1;
  s.dpl = static_cast<std::uint8_t>(dpl);
  s.s = 1;
  s.db = 1;
  s.g = 1;
  return s;
}

struct msr_list {
  std::uint32_t count = 0, padding = 0;
  std::array<kvm_msr_entry, 4> entries{};
};

// CPUID's initial APIC id must differ per vCPU; nothing else in the list does.
result<void> set_cpuid(int fd, const system& sys) {
  const auto& list = sys.guest_cpuid();
  std::vector<std::byte> buffer(8 + list.size() * sizeof(cpuid_entry));
  const auto count = static_cast<std::uint32_t>(list.size());
  std::memcpy(buffer.data(), &count, sizeof count);
  std::memcpy(buffer.data() + 8, list.data(), list.size() * sizeof(cpuid_entry));
  if (::ioctl(fd, nr::set_cpuid2, buffer.data()) < 0) return errno_error("KVM_SET_CPUID2");
  return {};
}

// The guest's TSC is the host's: offset 0. Hosts without the attribute keep their own offset, which the probe
// notices (host_facts::tsc_direct).
void zero_tsc_offset(int fd) noexcept {
  std::uint64_t offset = 0;
  kvm_device_attr attr{};
  attr.group = 0;  // KVM_VCPU_TSC_CTRL
  attr.attr = 0;   // KVM_VCPU_TSC_OFFSET
  attr.addr = reinterpret_cast<std::uint64_t>(&offset);
  (void)::ioctl(fd, nr::set_device_attr, &attr);
}

// Where KVM_EXIT_MEMORY_FAULT, which older headers do not know, puts the guest-physical address.
std::uint64_t memory_fault_address(const kvm_run& run) noexcept {
  struct {
    std::uint64_t flags, guest_address, size;
  } fault{};
  static_assert(sizeof fault <= sizeof run.padding);
  std::memcpy(&fault, run.padding, sizeof fault);
  return fault.guest_address;
}

}  // namespace

result<vcpu> vcpu::create(const system& sys, const vm& machine, unsigned id) {
  vcpu v;
  v.fd_.reset(::ioctl(machine.fd(), nr::create_vcpu, static_cast<unsigned long>(id)));
  if (!v.fd_) return errno_error("KVM_CREATE_VCPU");
  void* p = ::mmap(nullptr, sys.run_size(), PROT_READ | PROT_WRITE, MAP_SHARED, v.fd_.get(), 0);
  if (p == MAP_FAILED) return errno_error("mmap of kvm_run");
  v.run_map_ = mapping(p, sys.run_size());
  v.run_ = static_cast<kvm_run*>(p);
  v.run_->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
  return v;
}

result<void> vcpu::setup(const system& sys, const cpu_setup& how) {
  if (auto ok = set_cpuid(fd(), sys); !ok) return ok;
  zero_tsc_offset(fd());
  kvm_sregs s{};
  if (::ioctl(fd(), nr::get_sregs, &s) < 0) return errno_error("KVM_GET_SREGS");
  s.cr0 = cr0_pe | cr0_mp | cr0_ne | cr0_wp | cr0_am | cr0_pg;
  s.cr3 = how.page_table;
  const std::uint64_t unwanted = how.smep_smap ? 0 : cr4::smep | cr4::smap;
  const std::uint64_t base_cr4 = cr4::pae | cr4::osfxsr | cr4::osxmmexcpt | cr4::osxsave;
  s.cr4 = base_cr4 | (sys.wanted_cr4() & ~unwanted);
  s.efer = efer_sce | efer_lme | efer_lma | efer_nxe;
  s.cs = code_segment(3);
  s.ds = s.es = s.fs = s.gs = s.ss = data_segment(3);
  s.gdt.base = how.gdt;
  s.gdt.limit = how.gdt_limit;
  s.idt.base = how.idt;
  s.idt.limit = how.idt_limit;
  s.tr = {};
  s.tr.base = how.tss;
  s.tr.limit = how.tss_limit;
  s.tr.selector = selector::tss;
  s.tr.type = 11;
  s.tr.present = 1;
  if (::ioctl(fd(), nr::set_sregs, &s) < 0) {
    s.cr4 = base_cr4 | (sys.certain_cr4() & ~unwanted);
    if (::ioctl(fd(), nr::set_sregs, &s) < 0) return errno_error("KVM_SET_SREGS");
  }
  if (sys.guest_xcr0() > 1) {
    kvm_xcrs x{};
    x.nr_xcrs = 1;
    x.xcrs[0].value = sys.guest_xcr0();
    if (::ioctl(fd(), nr::set_xcrs, &x) < 0) return errno_error("KVM_SET_XCRS");
  }
  msr_list m;
  m.count = 3;
  m.entries[0] = {
      .index = msr_star, .reserved = 0, .data = (std::uint64_t{0x1b} << 48) | (std::uint64_t{0x08} << 32)};
  m.entries[1] = {.index = msr_lstar, .reserved = 0, .data = how.syscall_entry};
  m.entries[2] = {.index = msr_sfmask, .reserved = 0, .data = sfmask};
  if (::ioctl(fd(), nr::set_msrs, &m) != 3) return errno_error("KVM_SET_MSRS");
  run_->s.regs.sregs = s;
  return {};
}

result<void> vcpu::accept_kicks(int kick_signal) {
  struct {
    std::uint32_t length = 8;
    std::uint8_t set[8];
  } __attribute__((packed)) mask;
  const std::uint64_t blocked = ~(std::uint64_t{1} << (kick_signal - 1));
  std::memcpy(mask.set, &blocked, sizeof blocked);
  if (::ioctl(fd(), nr::set_signal_mask, &mask) < 0) return errno_error("KVM_SET_SIGNAL_MASK");
  kick_signal_ = kick_signal;
  return {};
}

exit_info vcpu::run() noexcept {
  exit_info e;
  const int r = ::ioctl(fd(), nr::run, 0);
  const int run_errno = errno;
  if (r < 0) {
    if (run_errno == EINTR || run_errno == EAGAIN) {
      e.kind = exit_kind::interrupted;
      if (kick_signal_) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, kick_signal_);
        const timespec zero{};
        (void)::sigtimedwait(&set, nullptr, &zero);
      }
    } else if (run_errno == EFAULT) {
      e.kind = exit_kind::host_fault;
      constexpr unsigned memory_fault = 39;  // KVM_EXIT_MEMORY_FAULT, of newer kernels: which page it was
      if (run_->exit_reason == memory_fault) e.address = memory_fault_address(*run_);
    } else {
      e.detail = static_cast<std::uint64_t>(run_errno) << 32;
    }
    return e;
  }
  switch (run_->exit_reason) {
    case KVM_EXIT_IO:
      e.kind = exit_kind::io;
      e.port = run_->io.port;
      e.size = run_->io.size;
      e.count = run_->io.count;
      e.outgoing = run_->io.direction == KVM_EXIT_IO_OUT;
      break;
    case KVM_EXIT_MMIO:
      e.kind = exit_kind::mmio;
      e.address = run_->mmio.phys_addr;
      break;
    case KVM_EXIT_HLT: e.kind = exit_kind::halt; break;
    case KVM_EXIT_SHUTDOWN: e.kind = exit_kind::shutdown; break;
    case KVM_EXIT_INTR: e.kind = exit_kind::interrupted; break;
    case KVM_EXIT_FAIL_ENTRY:
      e.kind = exit_kind::fail_entry;
      e.detail = run_->fail_entry.hardware_entry_failure_reason;
      break;
    case KVM_EXIT_INTERNAL_ERROR:
      e.kind = exit_kind::internal_error;
      e.detail = run_->internal.suberror;
      break;
    default: e.detail = run_->exit_reason; break;
  }
  return e;
}

// kvm_run is memory that the kernel shares with us; registers mirrors kvm_regs member by member (checked
// above).
registers& vcpu::regs() noexcept {
  return reinterpret_cast<registers&>(run_->s.regs.regs);
}

void vcpu::put_regs() noexcept {
  run_->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

void vcpu::enter_at(unsigned level, const registers& r) noexcept {
  regs() = r;
  auto& s = run_->s.regs.sregs;
  s.cs = code_segment(level);
  s.ss = data_segment(level);
  run_->kvm_dirty_regs |= KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
}

void vcpu::enter_user(const registers& r) noexcept {
  enter_at(3, r);
}
void vcpu::enter_kernel(const registers& r) noexcept {
  enter_at(0, r);
}

// SYSCALL loads both segments; the smaller of the two is never an overestimate of what the guest may not do.
unsigned vcpu::cpl() const noexcept {
  const auto& s = run_->s.regs.sregs;
  return std::min<unsigned>(s.cs.dpl, s.ss.dpl);
}
std::uint64_t vcpu::control4() const noexcept {
  return run_->s.regs.sregs.cr4;
}
std::uint64_t vcpu::cr2() const noexcept {
  return run_->s.regs.sregs.cr2;
}
std::uint64_t vcpu::fs_base() const noexcept {
  return run_->s.regs.sregs.fs.base;
}
std::uint64_t vcpu::gs_base() const noexcept {
  return run_->s.regs.sregs.gs.base;
}

void vcpu::set_fs_base(std::uint64_t base) noexcept {
  run_->s.regs.sregs.fs.base = base;
  run_->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
}

void vcpu::set_gs_base(std::uint64_t base) noexcept {
  run_->s.regs.sregs.gs.base = base;
  run_->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
}

void vcpu::copy_fpu(const vcpu& from) noexcept {
  kvm_fpu f{};
  if (::ioctl(from.fd(), nr::get_fpu, &f) == 0) (void)::ioctl(fd(), nr::set_fpu, &f);
}

bool vcpu::get_xsave(std::span<std::byte, 4096> out) const noexcept {
  return ::ioctl(fd(), nr::get_xsave, out.data()) == 0;
}

bool vcpu::set_xsave(std::span<const std::byte, 4096> in) noexcept {
  // KVM copies 4096 bytes from here and writes nothing.
  return ::ioctl(fd(), nr::set_xsave, const_cast<std::byte*>(in.data())) == 0;
}

bool vcpu::exception_pending() const noexcept {
  kvm_vcpu_events e{};
  if (::ioctl(fd(), nr::get_vcpu_events, &e) < 0) return true;
  return e.exception.injected || e.exception.pending;
}

}  // namespace osvm::kvm
