#include "unikernel/engine/machine.hpp"

#include "unikernel/engine/guest_process.hpp"

namespace osvm::unikernel {

result<std::shared_ptr<machine>> machine::create(const options& how) {
  auto m = std::make_shared<machine>(how);
  OSVM_CHECK(m->open());
  return m;
}

// vCPUs first, then the VM, then the memory that its slots name.
machine::~machine() {
  idle_cpus_.clear();
  vm_ = {};
}

result<void> machine::open() {
  const kvm::host_facts& facts = *how_.facts;
  OSVM_TRY(vm_, kvm::vm::create(*how_.system,
                                {.msr_filter = facts.msr_filter, .memory_bytes = how_.account->budget()}));
  backing_options backing;
  backing.slots = this;
  backing.phys_bits = facts.phys_bits;
  backing.huge_pages = facts.huge_pages;
  backing.guard_copies = how_.rules.guard_copies;
  backing.user_stub = facts.stub == kvm::syscall_stub::user;
  backing.flush_revoked = how_.rules.flush_revoked;
  backing.check_rights = how_.rules.check_rights;
  memory_ = std::make_unique<address_space>(backing, how_.account);
  return memory_->start();
}

result<std::unique_ptr<cpu_slot>> machine::take_cpu() {
  const std::scoped_lock lock(cpus_lock_);
  if (!idle_cpus_.empty()) {
    auto cpu = std::move(idle_cpus_.back());
    idle_cpus_.pop_back();
    return cpu;
  }
  auto slot = std::make_unique<cpu_slot>();
  OSVM_TRY(slot->cpu, kvm::vcpu::create(*how_.system, vm_, next_cpu_));
  const unsigned id = next_cpu_++;
  // Looking that often takes about as long as an exit.
  constexpr std::uint32_t ring_rounds = 400;
  OSVM_TRY(auto area, memory_->prepare_vcpu(id, how_.rings ? ring_rounds : 0));
  area.setup.smep_smap = how_.rules.smep_smap;
  slot->interrupt_stack = area.interrupt_stack;
  slot->stub = area.stub;
  slot->ring = area.slot;
  OSVM_CHECK(slot->cpu.setup(*how_.system, area.setup));
  OSVM_CHECK(slot->cpu.accept_kicks(kick_signal()));
  return slot;
}

void machine::give_back(std::unique_ptr<cpu_slot> cpu) noexcept {
  const std::scoped_lock lock(cpus_lock_);
  idle_cpus_.push_back(std::move(cpu));
}

void machine::start_clock(clock_page* page) {
  if (page) clock_.start(page, how_.facts->tsc_khz);
}

result<void> machine::install(std::uint64_t guest_address, void* host_address, std::uint64_t size) {
  return vm_.set_region(
      {.slot = next_slot_++, .guest_address = guest_address, .host_address = host_address, .size = size});
}

// Deleting any memory slot drops all shadow pages of the VM (measured: 60-80 us); a slot that nothing uses
// leaves no moment in which guest memory is missing. Called under the address space's locks.
void machine::flush_all() noexcept {
  constexpr unsigned flush_slot = 30000;
  if (!flush_page_.data()) {
    auto page = mapping::anonymous(page_size);
    if (!page) return;
    flush_page_ = std::move(*page);
  }
  const std::uint64_t address = (std::uint64_t{1} << how_.facts->phys_bits) - (std::uint64_t{2} << 20);
  (void)vm_.set_region(
      {.slot = flush_slot, .guest_address = address, .host_address = flush_page_.data(), .size = page_size});
  (void)vm_.set_region(
      {.slot = flush_slot, .guest_address = address, .host_address = flush_page_.data(), .size = 0});
}

}  // namespace osvm::unikernel
