// /dev/kvm: the device handle, its capabilities and the CPUID that guests get.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/kvm/host_facts.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace osvm::kvm {

// One CPUID leaf, laid out as KVM wants it (struct kvm_cpuid_entry2).
struct cpuid_entry {
  std::uint32_t function, index, flags, eax, ebx, ecx, edx, padding[3];
};

// Immutable after open(); thread-safe.
class system final {
 public:
  // Opens /dev/kvm. Errors: no_device, no_permission, not_kvm, missing_feature.
  static result<system> open();

  int fd() const noexcept { return fd_.get(); }
  int check_extension(unsigned capability) const noexcept;
  std::size_t run_size() const noexcept { return run_size_; }  // bytes of the shared kvm_run mapping
  // What guests see: the host's supported set without virtualisation, x2APIC, CET and other features that a
  // program cannot use here.
  const std::vector<cpuid_entry>& guest_cpuid() const noexcept { return cpuid_; }
  std::uint64_t guest_xcr0() const noexcept { return xcr0_; }
  bool smep() const noexcept { return smep_; }
  bool smap() const noexcept { return smap_; }
  bool fsgsbase() const noexcept { return fsgsbase_; }
  bool umip() const noexcept { return umip_; }
  unsigned phys_bits() const noexcept { return phys_bits_; }

 private:
  result<void> read_cpuid();

  unique_fd fd_;
  std::size_t run_size_ = 0;
  std::vector<cpuid_entry> cpuid_;
  std::uint64_t xcr0_ = 1;
  unsigned phys_bits_ = 36;
  bool smep_ = false, smap_ = false, fsgsbase_ = false, umip_ = false;
};

}  // namespace osvm::kvm
