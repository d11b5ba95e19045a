// Signals as Linux numbers them, and what a system call answers when one stopped it.
#pragma once

#include <csignal>
#include <cstdint>

namespace osvm::unikernel {

inline constexpr int max_signal = 64;
inline constexpr int first_real_time = 32;     // of the kernel: libc keeps some for itself
inline constexpr int guest_process_id = 1000;  // and its main thread's
inline constexpr unsigned guest_user_id = 1000;
using signal_mask = std::uint64_t;  // bit n - 1 is signal n

constexpr signal_mask signal_bit(int signal) noexcept {
  return signal_mask{1} << (signal - 1);
}

inline constexpr signal_mask unblockable_signals = signal_bit(SIGKILL) | signal_bit(SIGSTOP);
inline constexpr signal_mask stop_signals =
    signal_bit(SIGSTOP) | signal_bit(SIGTSTP) | signal_bit(SIGTTIN) | signal_bit(SIGTTOU);
// Raised by the instruction that runs: these go before all others.
inline constexpr signal_mask synchronous_signals = signal_bit(SIGSEGV) | signal_bit(SIGBUS) |
                                                   signal_bit(SIGILL) | signal_bit(SIGTRAP) |
                                                   signal_bit(SIGFPE) | signal_bit(SIGSYS);
// Without a handler they do nothing. A guest is the only member of an orphaned process group, where SIGTSTP,
// SIGTTIN and SIGTTOU do nothing either.
inline constexpr signal_mask ignored_by_default =
    signal_bit(SIGCHLD) | signal_bit(SIGURG) | signal_bit(SIGWINCH) | signal_bit(SIGCONT) |
    signal_bit(SIGTSTP) | signal_bit(SIGTTIN) | signal_bit(SIGTTOU);

// struct sigaction as rt_sigaction passes it.
struct signal_action {
  std::uint64_t handler = 0;  // 0: default, 1: ignore
  std::uint64_t flags = 0, restorer = 0;
  signal_mask mask = 0;

  bool calls_guest() const noexcept { return handler > 1; }
  bool ignores(int signal) const noexcept {
    return handler == 1 || (handler == 0 && (ignored_by_default & signal_bit(signal)));
  }
};

inline constexpr std::uint64_t restorer_flag = 0x04000000;  // SA_RESTORER
inline constexpr std::uint32_t stack_disarm = 1U << 31;     // SS_AUTODISARM

// sigaltstack.
struct alternate_stack {
  std::uint64_t pointer = 0, size = 0;
  std::uint32_t flags = 0;

  bool holds(std::uint64_t sp) const noexcept {
    return !(flags & stack_disarm) && sp > pointer && sp - pointer <= size;
  }
  bool usable() const noexcept { return size != 0 && !(flags & SS_DISABLE); }
};

// What a handler returns when a signal stopped it. The engine turns these into -EINTR or repeats the call, as
// the signal's action says; a guest never sees them. Numbers as in Linux, outside of errno's range.
enum class interrupted_call : std::int64_t {
  restart = 512,         // ERESTARTSYS: repeated after a handler with SA_RESTART
  always_restart = 513,  // ERESTARTNOINTR: repeated after any handler
  unless_handled = 514,  // ERESTARTNOHAND: repeated only when no handler ran
  with_deadline = 516,   // ERESTART_RESTARTBLOCK: the same, with the deadline of the first attempt
};
constexpr std::int64_t code(interrupted_call c) noexcept {
  return -static_cast<std::int64_t>(c);
}
constexpr bool is_interrupted_call(std::int64_t value) noexcept {
  return value <= -512 && value >= -516;
}

}  // namespace osvm::unikernel
