#include "unikernel/engine/faults.hpp"

#include <fmt/format.h>

#include <csignal>

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
  f.gpr = {r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
  f.thread = tid;
  report.fault = f;
  return report;
}

}  // namespace

bool has_error_code(unsigned v) noexcept { return v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21; }

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
    report.fault->detail = fmt::format("{} of {:#x}{}", access, cr2, frame.error_code & 1 ? " (no right)" : " (not mapped)");
  }
  return report;
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
      f.detail = fmt::format("{} port {:#x}, {} byte(s), count {}", e.outgoing ? "OUT to" : "IN from", e.port, e.size, e.count);
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
