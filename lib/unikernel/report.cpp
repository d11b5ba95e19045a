#include <osvm/unikernel/report.hpp>

#include <fmt/format.h>

#include <cstring>

namespace osvm::unikernel {

const char* to_string(exit_cause cause) noexcept {
  switch (cause) {
    case exit_cause::exited: return "exited";
    case exit_cause::signaled: return "signaled";
    case exit_cause::faulted: return "faulted";
    case exit_cause::killed: return "killed";
    case exit_cause::memory_budget: return "memory budget";
    case exit_cause::cpu_budget: return "CPU-time budget";
    case exit_cause::wall_budget: return "wall-time budget";
    case exit_cause::failed: return "failed";
  }
  return "unknown";
}

const char* to_string(fault_kind kind) noexcept {
  switch (kind) {
    case fault_kind::page_fault: return "page fault";
    case fault_kind::protection: return "general protection fault";
    case fault_kind::illegal: return "illegal instruction";
    case fault_kind::arithmetic: return "arithmetic exception";
    case fault_kind::trap: return "trap";
    case fault_kind::alignment: return "alignment check";
    case fault_kind::double_fault: return "double fault";
    case fault_kind::bad_port: return "port access";
    case fault_kind::mmio: return "access to a guest-physical hole";
    case fault_kind::privilege: return "privilege";
    case fault_kind::halted: return "halt";
    case fault_kind::triple_fault: return "triple fault";
    case fault_kind::internal: return "KVM internal error";
  }
  return "unknown";
}

int exit_report::shell_status() const noexcept {
  switch (cause) {
    case exit_cause::exited: return status;
    case exit_cause::signaled:
    case exit_cause::faulted: return 128 + signal;
    case exit_cause::failed: return 125;
    default: return 137;
  }
}

std::string exit_report::describe() const {
  switch (cause) {
    case exit_cause::exited: return fmt::format("exited with status {}", status);
    case exit_cause::signaled: return fmt::format("ended by signal {} ({})", signal, ::strsignal(signal));
    case exit_cause::killed: return "killed by its owner";
    case exit_cause::memory_budget:
      return "ended: memory budget used up" + (detail.empty() ? "" : " (" + detail + ")");
    case exit_cause::cpu_budget: return "ended: CPU-time budget used up";
    case exit_cause::wall_budget: return "ended: wall-time budget used up";
    case exit_cause::failed: return "the host could not go on: " + detail;
    case exit_cause::faulted: break;
  }
  if (!fault) return "faulted";
  const fault_info& f = *fault;
  std::string out = fmt::format("fault: {}", to_string(f.kind));
  if (!f.detail.empty()) out += ", " + f.detail;
  static constexpr const char* names[16] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                            "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  out += fmt::format("; thread {} rip={:#x} rflags={:#x}", f.thread, f.rip, f.rflags);
  for (unsigned i = 0; i < 16; ++i) out += fmt::format(" {}={:#x}", names[i], f.gpr[i]);
  return out;
}

}  // namespace osvm::unikernel
