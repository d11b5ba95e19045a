// A guest thread's registers as Linux shows them to debuggers (struct user_regs_struct).
#pragma once

#include "unikernel/snapshot/saved_instance.hpp"

#include <sys/user.h>

namespace osvm::unikernel {

inline user_regs_struct linux_registers(const saved_thread& t) noexcept {
  constexpr unsigned long user_code = 0x33, user_data = 0x2b;  // Linux's selectors: ours mean nothing to gdb
  const kvm::registers& r = t.user;
  return {.r15 = r.r15,
          .r14 = r.r14,
          .r13 = r.r13,
          .r12 = r.r12,
          .rbp = r.rbp,
          .rbx = r.rbx,
          .r11 = r.r11,
          .r10 = r.r10,
          .r9 = r.r9,
          .r8 = r.r8,
          .rax = r.rax,
          .rcx = r.rcx,
          .rdx = r.rdx,
          .rsi = r.rsi,
          .rdi = r.rdi,
          .orig_rax = ~0ULL,
          .rip = r.rip,
          .cs = user_code,
          .eflags = r.rflags,
          .rsp = r.rsp,
          .ss = user_data,
          .fs_base = t.fs_base,
          .gs_base = t.gs_base,
          .ds = 0,
          .es = 0,
          .fs = 0,
          .gs = 0};
}

}  // namespace osvm::unikernel
