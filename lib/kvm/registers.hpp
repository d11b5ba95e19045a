// CPU state as the modules above see it, without KVM's types.
#pragma once

#include <cstdint>

namespace osvm::kvm {

// General registers in KVM's order (struct kvm_regs; checked in vcpu.cpp), so that no copy is needed.
struct [[gnu::may_alias]] registers {  // laid over kvm_run's own copy
  std::uint64_t rax = 0, rbx = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0, rsp = 0, rbp = 0;
  std::uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  std::uint64_t rip = 0, rflags = 0;
};

namespace rflags {
inline constexpr std::uint64_t cf = 1, reserved1 = 2, tf = 1 << 8, interrupt = 1 << 9, df = 1 << 10,
                               ac = 1 << 18, id = 1 << 21;
// What a guest program may choose: CF PF AF ZF SF TF DF OF, AC and ID. IF is always on; IOPL, NT, RF, VM
// never.
inline constexpr std::uint64_t user_bits = 0xDD5 | ac | id;
inline constexpr std::uint64_t user_fixed = reserved1 | interrupt;
}  // namespace rflags

// Addresses that a guest may load into RIP, FS or GS: the lower canonical half.
constexpr bool user_canonical(std::uint64_t address) noexcept {
  return address < (std::uint64_t{1} << 47);
}

}  // namespace osvm::kvm
