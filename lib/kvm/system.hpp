// /dev/kvm: the device handle, its capabilities and the CPUID that guests get.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/kvm/host_facts.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace osvm::kvm {

namespace cr4 {
inline constexpr std::uint64_t pae = 1 << 5, osfxsr = 1 << 9, osxmmexcpt = 1 << 10, umip = 1 << 11,
                               fsgsbase = 1 << 16, osxsave = 1 << 18, smep = 1 << 20, smap = 1 << 21;
}

// One CPUID leaf, laid out as KVM wants it (struct kvm_cpuid_entry2).
struct cpuid_entry {
  std::uint32_t function, index, flags, eax, ebx, ecx, edx, padding[3];
};

// CPUID and control-register facts of this host, read once by the probe.
struct system_info {
  std::vector<cpuid_entry> cpuid;
  std::uint64_t xcr0 = 1;
  std::uint32_t xstate_size = 576;
  unsigned phys_bits = 36;
  std::uint64_t cr4_table = 0, cr4_native = 0;
};

// Immutable after open(); thread-safe.
class system final {
 public:
  // Opens /dev/kvm; asks it for what `known` does not say. Errors: no_device, no_permission, not_kvm,
  // missing_feature.
  static result<system> open(std::shared_ptr<const system_info> known = nullptr);
  const std::shared_ptr<const system_info>& info() const noexcept { return info_; }

  int fd() const noexcept { return fd_.get(); }
  int check_extension(unsigned capability) const noexcept;
  std::size_t run_size() const noexcept { return run_size_; }  // bytes of the shared kvm_run mapping
  // What guests see: the host's supported set without virtualisation, x2APIC, CET and other features that a
  // program cannot use here.
  const std::vector<cpuid_entry>& guest_cpuid() const noexcept { return info_->cpuid; }
  std::uint64_t guest_xcr0() const noexcept { return info_->xcr0; }
  // Bytes of the standard XSAVE area for them.
  std::uint32_t guest_xstate_size() const noexcept { return info_->xstate_size; }
  // CR4 bits to try: what either KVM's table or the CPU itself names. Page-table based KVM runs CPUID of CPL
  // 3 natively and advertises a poor table, yet honours these bits.
  std::uint64_t wanted_cr4() const noexcept { return info_->cr4_table | info_->cr4_native; }
  // CR4 bits that KVM's own table names: the fall-back.
  std::uint64_t certain_cr4() const noexcept { return info_->cr4_table; }
  unsigned phys_bits() const noexcept { return info_->phys_bits; }

 private:
  unique_fd fd_;
  std::size_t run_size_ = 0;
  std::shared_ptr<const system_info> info_;
};

}  // namespace osvm::kvm
