// /dev/kvm: the device handle, its capabilities and the CPUID that guests get.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/kvm/host_facts.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace osvm::kvm {

namespace cr4 {
inline constexpr std::uint64_t pae = 1 << 5, osfxsr = 1 << 9, osxmmexcpt = 1 << 10, umip = 1 << 11, fsgsbase = 1 << 16,
                               osxsave = 1 << 18, smep = 1 << 20, smap = 1 << 21;
}

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
  // CR4 bits to try: what either KVM's table or the CPU itself names. Page-table based KVM runs CPUID of CPL 3
  // natively and advertises a poor table, yet honours these bits.
  std::uint64_t wanted_cr4() const noexcept { return cr4_table_ | cr4_native_; }
  // CR4 bits that KVM's own table names: the fall-back.
  std::uint64_t certain_cr4() const noexcept { return cr4_table_; }
  unsigned phys_bits() const noexcept { return phys_bits_; }

 private:
  result<void> read_cpuid();

  unique_fd fd_;
  std::size_t run_size_ = 0;
  std::vector<cpuid_entry> cpuid_;
  std::uint64_t xcr0_ = 1;
  unsigned phys_bits_ = 36;
  std::uint64_t cr4_table_ = 0, cr4_native_ = 0;
};

}  // namespace osvm::kvm
