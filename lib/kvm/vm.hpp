// One KVM virtual machine: memory slots and vCPUs. No meaning of what runs inside.
#pragma once

#include "kvm/system.hpp"

#include <osvm/core/unique_fd.hpp>

#include <cstddef>
#include <cstdint>

namespace osvm::kvm {

struct memory_region {
  unsigned slot = 0;
  std::uint64_t guest_address = 0;  // page-aligned guest-physical
  void* host_address = nullptr;     // page-aligned; must stay mapped while the slot exists
  std::uint64_t size = 0;           // bytes; 0 deletes the slot
  bool read_only = false;           // guest writes become MMIO exits
};

struct vm_options {
  bool msr_filter = true;          // deny every MSR access that KVM would otherwise emulate for the guest
  std::uint64_t memory_bytes = 0;  // expected guest memory; sizes the shadow-page quota
};

// Owns the VM descriptor. Must be used by the process that created it. set_region is not thread-safe.
class vm final {
 public:
  static result<vm> create(const system& sys, const vm_options& options = {});
  int fd() const noexcept { return fd_.get(); }
  result<void> set_region(const memory_region& region);
  // The shadow-page quota on hosts with shadow paging defaults to 2 % of the slots, which thrashes small VMs.
  void set_shadow_quota(std::uint64_t memory_bytes) noexcept;

 private:
  unique_fd fd_;
};

}  // namespace osvm::kvm
