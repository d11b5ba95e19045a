// Names for what the CPU and KVM report about a guest that went wrong.
#pragma once

#include "kvm/system_area.hpp"
#include "kvm/vcpu.hpp"
#include "unikernel/signals/frame.hpp"

#include <osvm/unikernel/report.hpp>

#include <span>

namespace osvm::unikernel {

// True for vectors whose frame carries an error code.
bool has_error_code(unsigned vector) noexcept;

// An exception at CPL 3 that nothing could resolve.
exit_report exception_report(unsigned vector, const kvm::exception_frame& frame, std::uint64_t cr2,
                             const kvm::registers& regs, int tid);
// The signal of a fault, with what its handler is told.
struct fault_signal {
  siginfo_t info{};
  trap_facts trap;
};
// `control` is the extended state at the fault: which arithmetic exception it was stands there.
fault_signal signal_of_exception(unsigned vector, const kvm::exception_frame& frame, std::uint64_t cr2,
                                 std::span<const std::byte> control);
// A page fault; `mapped`: something is mapped there, but not for this access.
fault_signal signal_of_page_fault(const kvm::exception_frame& frame, std::uint64_t address, bool mapped);
// Any other exit that a well-behaved program does not cause.
exit_report exit_fault_report(const kvm::exit_info& e, fault_kind kind, const kvm::registers& regs, int tid);
fault_kind kind_of_exit(const kvm::exit_info& e) noexcept;

}  // namespace osvm::unikernel
