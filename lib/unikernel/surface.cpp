#include <osvm/unikernel/surface.hpp>

#include "kvm/vcpu.hpp"
#include "unikernel/syscalls/notes.hpp"
#include "unikernel/syscalls/syscall.hpp"
#include "unikernel/trace/calls.hpp"

namespace osvm::unikernel {
namespace {

bool granted(const policy& p, capability needs) noexcept {
  switch (needs) {
    case capability::always: return true;
    case capability::files: return !p.mounts.empty() || !p.trees.empty() || !p.scratch.empty();
    case capability::listen: return !p.listen.empty();
    case capability::connect: return !p.vsock_connect.empty() || !p.connect.empty();
    case capability::jit: return p.allow.jit;
  }
  return false;
}

}  // namespace

call_surface guest_surface(const policy& p) {
  call_surface out;
  for (const call_info& c : all_calls()) {
    ++out.known;
    const syscall_entry* e = find_syscall(c.number);
    const call_note* note = find_note(c.name);
    if (!e) {
      ++(note && note->support == call_support::refused ? out.refused : out.absent);
    } else if ((note && note->support == call_support::refused) || !granted(p, e->needs)) {
      ++out.refused;
    } else {
      ++out.served;
    }
  }
  out.exit_kinds = static_cast<unsigned>(kvm::exit_kind::other) + 1;
  return out;
}

std::string call_name(unsigned number) {
  const call_info* c = find_call(number);
  return c ? c->name : "#" + std::to_string(number);
}

}  // namespace osvm::unikernel
