// The frame that a signal handler finds on its stack (struct rt_sigframe of x86-64), written and read back.
//
// What rt_sigreturn reads is the guest's own memory: a hostile program can put anything there. The general
// registers pass the engine's register check; the segment registers of the frame are not used; the extended
// state is checked here (header, size, features, MXCSR) and once more by KVM.
#pragma once

#include "kvm/registers.hpp"
#include "unikernel/signals/signal.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace osvm::unikernel {

class address_space;

inline constexpr std::size_t xstate_capacity = 4096;  // struct kvm_xsave
using xstate_bytes = std::array<std::byte, xstate_capacity>;

// Which part of the XSAVE area the guest's XCR0 makes real.
struct xstate_layout {
  std::uint64_t features = 3;
  std::uint32_t size = 512 + 64;
};

// Facts of a fault, for the frame's mcontext; zero for other signals.
struct trap_facts {
  std::uint64_t number = 0, error = 0, address = 0;
};

struct frame_request {
  kvm::registers user;  // what was interrupted
  siginfo_t info{};
  signal_action action;
  signal_mask saved_mask = 0;
  alternate_stack stack;
  trap_facts trap;
  xstate_layout layout;
  std::span<const std::byte, xstate_capacity> xstate;
};

// Writes the frame and returns the registers with which the handler starts; nothing when the stack does not
// take it.
std::optional<kvm::registers> push_signal_frame(address_space& memory, const frame_request& request);

// What rt_sigreturn restores.
struct signal_context {
  kvm::registers user;
  signal_mask mask = 0;
  alternate_stack stack;
  bool valid = false;
  xstate_bytes xstate{};
};

// Reads the frame below `rsp`; nothing when it is not readable or its extended state is not acceptable.
bool read_signal_frame(address_space& memory, std::uint64_t rsp, const xstate_layout& layout,
                       signal_context& out);

// The state that a handler starts with.
xstate_bytes initial_xstate() noexcept;

}  // namespace osvm::unikernel
