// The system-call stub of a vCPU that may be answered without leaving the guest: it lays the call into a slot
// of shared memory, waits a little for a host thread to answer, and comes out through the port otherwise.
//
// It touches no flag and no register but RCX and R11, whose values it keeps in the slot, so that at its OUT
// everything is as at SYSCALL. Code and slot lie in the VM's system area (system_area.hpp). With stub B the
// slot is writable by the guest's program: what is read from it is as hostile as a register.
#pragma once

#include <osvm/kvm/host_facts.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace osvm::kvm {

// One per vCPU, 128 bytes. The guest writes the registers and `pending`; the host answers.
struct alignas(128) ring_slot {
  std::uint64_t rax, rdi, rsi, rdx, r10, r8, r9, rcx, r11;
  std::uint64_t result;
  std::uint32_t pending;  // 1: a call lies here; the host sets 0 when `result` or `refused` is written
  std::uint32_t refused;  // 1: the call must come out through the port
  std::uint32_t enabled;  // 0: nobody looks, come out at once
};
static_assert(sizeof(ring_slot) == 128);

// Where the parts of a vCPU's stub lie, as linear addresses.
struct stub_place {
  std::uint64_t begin = 0, end = 0;
  std::uint64_t after_out = 0;   // RIP behind the OUT of a call that was not laid into the slot
  std::uint64_t waiting = 0;     // from here on the call lies in the slot; 0: this stub has none
  std::uint64_t after_late = 0;  // RIP behind the OUT of a call that waited in vain
  std::uint64_t waiting_end = 0;

  bool contains(std::uint64_t rip) const noexcept { return rip - begin < end - begin; }
  bool is_waiting(std::uint64_t rip) const noexcept { return rip >= waiting && rip < waiting_end; }
  bool after_any_out(std::uint64_t rip) const noexcept {
    return rip == after_out || (waiting && rip == after_late);
  }
};

struct ring_stub {
  std::array<std::byte, 256> code;
  stub_place place;
};

// `rounds`: how often the stub looks before it comes out.
ring_stub make_ring_stub(syscall_stub kind, std::uint64_t code_address, std::uint64_t slot_address,
                         std::uint32_t rounds) noexcept;

}  // namespace osvm::kvm
