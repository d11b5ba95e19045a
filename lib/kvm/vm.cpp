#include "kvm/vm.hpp"

#include "kvm/ioctl.hpp"

#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>

namespace osvm::kvm {
namespace {

// Default-deny filter: no range is listed, so every RDMSR/WRMSR of the guest raises #GP. The VMM's own
// KVM_SET_MSRS is not subject to the filter. Guests run at CPL 3 and have no use for MSRs; this is for the
// case that one reaches CPL 0.
void deny_all_msrs(int vm_fd) noexcept {
  kvm_msr_filter filter{};
  filter.flags = KVM_MSR_FILTER_DEFAULT_DENY;
  // KVM refuses a default-deny filter without ranges: one range over an unused MSR with an all-zero bitmap.
  static std::uint8_t deny_bitmap[1] = {0};
  filter.ranges[0] = {
      .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, .nmsrs = 1, .base = 0, .bitmap = deny_bitmap};
  static_assert(sizeof(kvm_msr_filter) == 392);
  (void)::ioctl(vm_fd, nr::x86_set_msr_filter, &filter);
}

// KVM replaces a hypercall instruction of the other vendor by this one's in the guest's memory, whatever the
// page's rights are. With the quirk off the guest gets #UD, as on hardware. Kernels before 5.18 cannot do it.
void leave_hypercalls_alone(const system& sys, int vm_fd) noexcept {
  const int known = sys.check_extension(KVM_CAP_DISABLE_QUIRKS2);
  if (known <= 0 || (static_cast<unsigned>(known) & KVM_X86_QUIRK_FIX_HYPERCALL_INSN) == 0) return;
  kvm_enable_cap cap{};
  cap.cap = KVM_CAP_DISABLE_QUIRKS2;
  cap.args[0] = KVM_X86_QUIRK_FIX_HYPERCALL_INSN;
  (void)::ioctl(vm_fd, nr::enable_cap, &cap);
}

}  // namespace

result<vm> vm::create(const system& sys, const vm_options& options) {
  vm v;
  int fd = -1;
  do {
    fd = ::ioctl(sys.fd(), nr::create_vm, 0);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return errno_error("KVM_CREATE_VM");
  v.fd_.reset(fd);
  if (options.msr_filter) deny_all_msrs(fd);
  leave_hypercalls_alone(sys, fd);
  v.set_shadow_quota(options.memory_bytes);
  return v;
}

result<void> vm::set_region(const memory_region& r) {
  kvm_userspace_memory_region arg{};
  arg.slot = r.slot;
  arg.flags = r.read_only ? KVM_MEM_READONLY : 0;
  arg.guest_phys_addr = r.guest_address;
  arg.memory_size = r.size;
  arg.userspace_addr = reinterpret_cast<std::uint64_t>(r.host_address);
  if (::ioctl(fd(), nr::set_user_memory_region, &arg) < 0) return errno_error("KVM_SET_USER_MEMORY_REGION");
  return {};
}

void vm::set_shadow_quota(std::uint64_t memory_bytes) noexcept {
  const auto pages = std::max<std::uint64_t>(memory_bytes / 65536, 2000);
  (void)::ioctl(fd(), nr::set_nr_mmu_pages, pages);
}

}  // namespace osvm::kvm
