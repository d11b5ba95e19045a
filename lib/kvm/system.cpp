#include "kvm/system.hpp"

#include "kvm/ioctl.hpp"

#include <cpuid.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>

namespace osvm::kvm {
namespace {

// CPUID feature bits that guests do not get.
constexpr std::uint32_t leaf1_ecx_hidden = (1U << 3)        // MONITOR: no idle states in the guest
                                           | (1U << 5)      // VMX
                                           | (1U << 21)     // x2APIC: there is no interrupt controller
                                           | (1U << 24);    // TSC deadline timer
constexpr std::uint32_t leaf7_ecx_hidden = (1U << 3)        // PKU: CR4.PKE stays off
                                           | (1U << 4)      // OSPKE
                                           | (1U << 5)      // WAITPKG
                                           | (1U << 7);     // CET shadow stacks
constexpr std::uint32_t leaf7_edx_hidden = 1U << 20;        // CET indirect branch tracking
constexpr std::uint32_t leaf80000001_ecx_hidden = 1U << 2;  // SVM

// XCR0 bits that guests may use: x87, SSE, AVX, AVX-512. AMX tiles need a permission request on Linux.
constexpr std::uint64_t xcr0_allowed = 0xE7;

std::uint64_t cr4_of_leaf7(std::uint32_t ebx, std::uint32_t ecx) noexcept {
  return (ebx & 1U ? cr4::fsgsbase : 0) | (ebx & (1U << 7) ? cr4::smep : 0) |
         (ebx & (1U << 20) ? cr4::smap : 0) | (ecx & (1U << 2) ? cr4::umip : 0);
}

// Up to the end of the last component of `xcr0`; the legacy part and the header are always there. From the
// CPU itself: offsets of components do not depend on what a VM is told.
std::uint32_t xstate_size(std::uint64_t xcr0) noexcept {
  constexpr std::uint32_t legacy_and_header = 576, capacity = 4096;
  std::uint32_t end = legacy_and_header;
  for (unsigned i = 2; i < 63; ++i) {
    unsigned size = 0, offset = 0, c = 0, d = 0;
    if ((xcr0 >> i & 1) && __get_cpuid_count(0xD, i, &size, &offset, &c, &d))
      end = std::max(end, offset + size);
  }
  return std::min(end, capacity);
}

result<std::shared_ptr<const system_info>> read_info(int kvm_fd) {
  auto info = std::make_shared<system_info>();
  static_assert(sizeof(cpuid_entry) == sizeof(kvm_cpuid_entry2));
  constexpr std::uint32_t capacity = 256;
  std::vector<std::byte> buffer(8 + capacity * sizeof(cpuid_entry));
  std::memcpy(buffer.data(), &capacity, sizeof capacity);
  if (::ioctl(kvm_fd, nr::get_supported_cpuid, buffer.data()) < 0)
    return errno_error("KVM_GET_SUPPORTED_CPUID");
  std::uint32_t count = 0;
  std::memcpy(&count, buffer.data(), sizeof count);
  info->cpuid.resize(count);
  std::memcpy(info->cpuid.data(), buffer.data() + 8, count * sizeof(cpuid_entry));
  std::uint64_t xcr0_supported = 1;
  for (auto& e : info->cpuid) {
    if (e.function == 1) {
      e.ecx &= ~leaf1_ecx_hidden;
      if (e.ecx & (1U << 26)) e.ecx |= 1U << 27;  // OSXSAVE: CR4.OSXSAVE is set before the guest starts
    } else if (e.function == 7 && e.index == 0) {
      e.ecx &= ~leaf7_ecx_hidden;
      e.edx &= ~(leaf7_edx_hidden | (1U << 22) | (1U << 24) | (1U << 25));  // AMX
      info->cr4_table = cr4_of_leaf7(e.ebx, e.ecx);
    } else if (e.function == 0xD && e.index == 0) {
      xcr0_supported = (std::uint64_t{e.edx} << 32) | e.eax;
      e.eax &= static_cast<std::uint32_t>(xcr0_allowed);
      e.edx = 0;
    } else if (e.function == 0x80000001) {
      e.ecx &= ~leaf80000001_ecx_hidden;
    } else if (e.function == 0x80000008) {
      info->phys_bits = e.eax & 0xFF;
    }
  }
  info->xcr0 = xcr0_supported & xcr0_allowed;
  info->xstate_size = xstate_size(info->xcr0);
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) info->cr4_native = cr4_of_leaf7(b, c);
  return std::shared_ptr<const system_info>(std::move(info));
}

}  // namespace

result<system> system::open(std::shared_ptr<const system_info> known) {
  system s;
  s.fd_.reset(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!s.fd_) {
    const int e = errno;
    if (e == ENOENT || e == ENODEV || e == ENXIO) {
      return error(errc::no_device,
                   "/dev/kvm (load kvm_intel, kvm_amd or kvm_pvm, or enable nested virtualisation)");
    }
    if (e == EACCES || e == EPERM)
      return error(errc::no_permission, "/dev/kvm (join the group that owns it, often `kvm`)");
    return errno_error("open /dev/kvm", e);
  }
  if (::ioctl(s.fd(), nr::get_api_version, 0) != KVM_API_VERSION) return error(errc::not_kvm, "/dev/kvm");
  const int size = ::ioctl(s.fd(), nr::get_vcpu_mmap_size, 0);
  if (size < static_cast<int>(sizeof(kvm_run))) return error(errc::not_kvm, "KVM_GET_VCPU_MMAP_SIZE");
  s.run_size_ = static_cast<std::size_t>(size);
  struct need {
    unsigned cap;
    const char* name;
  };
  for (const need n :
       {need{KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS"}, need{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
        need{KVM_CAP_SET_TSS_ADDR, "x86 virtual machines"}}) {
    if (s.check_extension(n.cap) <= 0) return error(errc::missing_feature, n.name);
  }
  if (known) {
    s.info_ = std::move(known);
  } else {
    OSVM_TRY(s.info_, read_info(s.fd()));
  }
  return s;
}

int system::check_extension(unsigned capability) const noexcept {
  return ::ioctl(fd(), nr::check_extension, static_cast<unsigned long>(capability));
}

}  // namespace osvm::kvm
