// How guest memory meets a virtual machine: what the address space needs from it, and nothing more. Null
// slots mean that there is no VM (tests, fuzzing).
#pragma once

#include <osvm/core/error.hpp>

#include <cstdint>

namespace osvm::unikernel {

// Installs host memory at guest-physical addresses. Implemented over kvm::vm.
class slot_installer {
 public:
  virtual ~slot_installer() = default;
  virtual result<void> install(std::uint64_t guest_address, void* host_address, std::uint64_t size) = 0;
  // Makes the host forget every translation it has cached for the guest (expensive: all pages fault in
  // again).
  virtual void flush_all() noexcept = 0;
};

struct backing_options {
  slot_installer* slots = nullptr;  // must outlive the address space
  unsigned phys_bits = 36;
  bool huge_pages = false;
  bool user_stub = false;     // stub B: the system-call stub page is reachable at CPL 3
  bool flush_revoked = true;  // see controls.hpp
  bool check_rights = true;   // see controls.hpp
  bool guard_copies = true;   // see controls.hpp
};

}  // namespace osvm::unikernel
