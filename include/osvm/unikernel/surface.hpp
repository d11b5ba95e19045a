// How much of the host a guest can reach, as counts: system calls of the table, kinds of exits.
#pragma once

#include <osvm/unikernel/policy.hpp>

#include <string>

namespace osvm::unikernel {

struct call_surface {
  unsigned known = 0;       // system calls that x86-64 Linux has
  unsigned served = 0;      // with a handler that policy does not refuse as a whole
  unsigned refused = 0;     // answered by a named refusal or for want of a grant
  unsigned absent = 0;      // ENOSYS
  unsigned exit_kinds = 0;  // what KVM_RUN can come back for
};

call_surface guest_surface(const policy& granted);
// The name of a system call of the host, or "#N".
std::string call_name(unsigned number);

}  // namespace osvm::unikernel
