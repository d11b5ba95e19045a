// A virtual machine and the address space that runs in it: its memory slots and its vCPUs. Processes hold it
// together: most often one, two while a child of vfork() borrows its parent's memory.
#pragma once

#include "kvm/system.hpp"
#include "kvm/vcpu.hpp"
#include "kvm/vm.hpp"
#include "unikernel/instance_state.hpp"
#include "unikernel/memory/address_space.hpp"
#include "unikernel/vdso/vdso.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace osvm::unikernel {

// A vCPU and its interrupt stack. KVM cannot delete vCPUs, so they are kept for the next guest thread.
struct cpu_slot {
  kvm::vcpu cpu;
  const std::byte* interrupt_stack = nullptr;
  kvm::stub_place stub;
  kvm::ring_slot* ring = nullptr;  // null: every call comes out
};

// Thread-safe but for what is said to be its creator's.
class machine final : private slot_installer {
 public:
  struct options {
    const kvm::system* system = nullptr;     // outlives the machine
    const kvm::host_facts* facts = nullptr;  // the same
    rule_set rules;
    std::shared_ptr<memory_account> account;
    bool rings = false;  // vCPUs get slots for calls without an exit
  };
  static result<std::shared_ptr<machine>> create(const options& how);
  explicit machine(const options& how) : how_(how) {}
  ~machine();
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;

  address_space& memory() noexcept { return *memory_; }
  result<std::unique_ptr<cpu_slot>> take_cpu();
  void give_back(std::unique_ptr<cpu_slot> cpu) noexcept;
  // The page that the vDSO reads, kept up to date by whoever serves calls. The creator's; before the guest
  // runs.
  void start_clock(clock_page* page);
  clock_updater& clock() noexcept { return clock_; }

 private:
  result<void> open();
  result<void> install(std::uint64_t guest_address, void* host_address, std::uint64_t size) override;
  void flush_all() noexcept override;

  const options how_;
  kvm::vm vm_;
  unsigned next_slot_ = 0;
  mapping flush_page_;  // see flush_all()
  std::unique_ptr<address_space> memory_;
  clock_updater clock_;
  std::mutex cpus_lock_;
  std::vector<std::unique_ptr<cpu_slot>> idle_cpus_;
  unsigned next_cpu_ = 0;
};

}  // namespace osvm::unikernel
