// Our own KVM ioctl numbers.
//
// In C++, the flexible array members of Debian 12's <linux/kvm.h> make kvm_cpuid2, kvm_msrs and
// kvm_signal_mask larger than in C, so the header's macros compute wrong numbers for them (EINVAL or ENOTTY
// at run time). All numbers are therefore written here once, from Documentation/virt/kvm/api.rst: _IO*(0xAE,
// nr, size).
#pragma once

#include <linux/kvm.h>

namespace osvm::kvm::nr {

constexpr unsigned long io(unsigned n) {
  return 0xAE00UL | n;
}
constexpr unsigned long iow(unsigned n, unsigned long size) {
  return (1UL << 30) | (size << 16) | io(n);
}
constexpr unsigned long ior(unsigned n, unsigned long size) {
  return (2UL << 30) | (size << 16) | io(n);
}
constexpr unsigned long iowr(unsigned n, unsigned long size) {
  return (3UL << 30) | (size << 16) | io(n);
}

// System
inline constexpr unsigned long get_api_version = io(0x00);
inline constexpr unsigned long create_vm = io(0x01);
inline constexpr unsigned long check_extension = io(0x03);
inline constexpr unsigned long get_vcpu_mmap_size = io(0x04);
inline constexpr unsigned long get_supported_cpuid = iowr(0x05, 8);
// VM
inline constexpr unsigned long create_vcpu = io(0x41);
inline constexpr unsigned long set_nr_mmu_pages = io(0x44);
inline constexpr unsigned long set_user_memory_region = iow(0x46, 32);
inline constexpr unsigned long enable_cap = iow(0xA3, 104);
inline constexpr unsigned long x86_set_msr_filter = iow(0xC6, 392);
// vCPU
inline constexpr unsigned long run = io(0x80);
inline constexpr unsigned long get_regs = ior(0x81, 144);
inline constexpr unsigned long set_regs = iow(0x82, 144);
inline constexpr unsigned long get_sregs = ior(0x83, 312);
inline constexpr unsigned long set_sregs = iow(0x84, 312);
inline constexpr unsigned long get_msrs = iowr(0x88, 8);
inline constexpr unsigned long set_msrs = iow(0x89, 8);
inline constexpr unsigned long set_signal_mask = iow(0x8B, 4);
inline constexpr unsigned long get_fpu = ior(0x8C, 416);
inline constexpr unsigned long set_fpu = iow(0x8D, 416);
inline constexpr unsigned long set_cpuid2 = iow(0x90, 8);
inline constexpr unsigned long get_tsc_khz = io(0xA3);
inline constexpr unsigned long get_vcpu_events = ior(0x9F, 64);
inline constexpr unsigned long get_xsave = ior(0xA4, 4096);
inline constexpr unsigned long set_xsave = iow(0xA5, 4096);
inline constexpr unsigned long set_xcrs = iow(0xA7, 392);
inline constexpr unsigned long set_device_attr = iow(0xE1, 24);

static_assert(set_cpuid2 == 0x4008ae90 && get_supported_cpuid == 0xc008ae05);
static_assert(get_msrs == 0xc008ae88 && set_msrs == 0x4008ae89);
static_assert(sizeof(kvm_regs) == 144 && sizeof(kvm_sregs) == 312 && sizeof(kvm_fpu) == 416);
static_assert(sizeof(kvm_userspace_memory_region) == 32 && sizeof(kvm_xcrs) == 392 &&
              sizeof(kvm_enable_cap) == 104);
static_assert(sizeof(kvm_vcpu_events) == 64);

}  // namespace osvm::kvm::nr
