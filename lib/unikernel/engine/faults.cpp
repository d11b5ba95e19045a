#include "unikernel/engine/faults.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstring>

namespace osvm::unikernel {
namespace {

struct vector_meaning {
  fault_kind kind;
  int signal;  // what Linux sends
};

vector_meaning meaning_of(unsigned vector) noexcept {
  switch (vector) {
    case 0: return {fault_kind::arithmetic, SIGFPE};
    case 1: return {fault_kind::trap, SIGTRAP};
    case 3: return {fault_kind::trap, SIGTRAP};
    case 6: return {fault_kind::illegal, SIGILL};
    case 8: return {fault_kind::double_fault, SIGSEGV};
    case 11:
    case 12: return {fault_kind::protection, SIGBUS};
    case 14: return {fault_kind::page_fault, SIGSEGV};
    case 16: return {fault_kind::arithmetic, SIGFPE};
    case 17: return {fault_kind::alignment, SIGBUS};
    case 19: return {fault_kind::arithmetic, SIGFPE};
    default: return {fault_kind::protection, SIGSEGV};
  }
}

exit_report report_of(fault_kind kind, int signal, const kvm::registers& r, int tid) {
  exit_report report;
  report.cause = exit_cause::faulted;
  report.signal = signal;
  fault_info f;
  f.kind = kind;
  f.rip = r.rip;
  f.rsp = r.rsp;
  f.rflags = r.rflags;
  f.gpr = {r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp,
           r.r8,  r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
  f.thread = tid;
  report.fault = f;
  return report;
}

}  // namespace

bool has_error_code(unsigned v) noexcept {
  return v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21;
}

exit_report exception_report(unsigned vector, const kvm::exception_frame& frame, std::uint64_t cr2,
                             const kvm::registers& regs, int tid) {
  kvm::registers r = regs;
  r.rip = frame.rip;
  r.rsp = frame.rsp;
  r.rflags = frame.rflags;
  const vector_meaning m = meaning_of(vector);
  exit_report report = report_of(m.kind, m.signal, r, tid);
  report.fault->vector = vector;
  report.fault->error_code = frame.error_code;
  if (vector == 14) {
    report.fault->address = cr2;
    const char* access = frame.error_code & 16 ? "execute" : frame.error_code & 2 ? "write" : "read";
    report.fault->detail =
        fmt::format("{} of {:#x}{}", access, cr2, frame.error_code & 1 ? " (no right)" : " (not mapped)");
  }
  return report;
}

namespace {

template <class T>
T part(std::span<const std::byte> bytes, std::size_t at) noexcept {
  T value{};
  if (at + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// Which floating-point exception it was: those that are flagged and not masked, in the kernel's order.
int arithmetic_code(unsigned vector, std::span<const std::byte> control) noexcept {
  const auto mxcsr = part<std::uint32_t>(control, 24);
  const auto x87_control = part<std::uint16_t>(control, 0), x87_status = part<std::uint16_t>(control, 2);
  const unsigned raised = vector == 19 ? mxcsr & ~(mxcsr >> 7) : x87_status & ~unsigned{x87_control};
  if (raised & 0x01) return FPE_FLTINV;
  if (raised & 0x04) return FPE_FLTDIV;
  if (raised & 0x08) return FPE_FLTOVF;
  if (raised & 0x12) return FPE_FLTUND;
  if (raised & 0x20) return FPE_FLTRES;
  return 0;
}

}  // namespace

fault_signal signal_of_exception(unsigned vector, const kvm::exception_frame& frame, std::uint64_t cr2,
                                 std::span<const std::byte> control) {
  fault_signal f;
  f.info.si_signo = meaning_of(vector).signal;
  f.info.si_code = SI_KERNEL;
  void* at = nullptr;
  void* const here = reinterpret_cast<void*>(frame.rip);  // a guest address, never followed
  switch (vector) {
    case 0:
      f.info.si_code = FPE_INTDIV;
      at = here;
      break;
    case 1:
      f.info.si_code = TRAP_TRACE;
      at = here;
      break;
    case 6:
      f.info.si_code = ILL_ILLOPN;
      at = here;
      break;
    case 16:
    case 19:
      f.info.si_code = arithmetic_code(vector, control);
      at = here;
      break;
    case 17: f.info.si_code = BUS_ADRALN; break;
    default: break;
  }
  f.info.si_addr = at;
  f.trap = {.number = vector, .error = has_error_code(vector) ? frame.error_code : 0, .address = cr2};
  return f;
}

fault_signal signal_of_page_fault(const kvm::exception_frame& frame, std::uint64_t address, bool mapped) {
  constexpr std::uint64_t known = 0x17;  // present, write, user, fetch
  fault_signal f;
  f.info.si_signo = SIGSEGV;
  f.info.si_code = mapped ? SEGV_ACCERR : SEGV_MAPERR;
  f.info.si_addr = reinterpret_cast<void*>(address);  // a guest address, never followed
  f.trap = {.number = 14, .error = (frame.error_code & known) | 4, .address = address};
  return f;
}

fault_kind kind_of_exit(const kvm::exit_info& e) noexcept {
  switch (e.kind) {
    case kvm::exit_kind::io: return fault_kind::bad_port;
    case kvm::exit_kind::mmio: return fault_kind::mmio;
    case kvm::exit_kind::halt: return fault_kind::halted;
    case kvm::exit_kind::shutdown: return fault_kind::triple_fault;
    default: return fault_kind::internal;
  }
}

exit_report exit_fault_report(const kvm::exit_info& e, fault_kind kind, const kvm::registers& regs, int tid) {
  exit_report report = report_of(kind, SIGSEGV, regs, tid);
  auto& f = *report.fault;
  switch (kind) {
    case fault_kind::bad_port:
      f.detail = fmt::format("{} port {:#x}, {} byte(s), count {}", e.outgoing ? "OUT to" : "IN from", e.port,
                             e.size, e.count);
      break;
    case fault_kind::mmio:
      f.address = e.address;
      f.detail = fmt::format("guest-physical {:#x}", e.address);
      break;
    case fault_kind::internal: f.detail = fmt::format("KVM detail {:#x}", e.detail); break;
    default: break;
  }
  return report;
}

}  // namespace osvm::unikernel
