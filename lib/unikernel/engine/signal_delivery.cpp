// Signals on their way into a guest thread, and the way back: what happens between an exit and the next
// entry.
#include "unikernel/engine/faults.hpp"
#include "unikernel/engine/guest_process.hpp"

namespace osvm::unikernel {
namespace {

// The SYSCALL instruction is two bytes long: where a call that is to be made again begins.
constexpr std::uint64_t syscall_length = 2;

// What a stopped call gives the program whose handler runs now.
void settle_call(kvm::registers& r, std::int64_t stopped, std::uint64_t number, const signal_action& action) {
  const bool again = stopped == code(interrupted_call::always_restart) ||
                     (stopped == code(interrupted_call::restart) && (action.flags & SA_RESTART));
  r.rax = again ? number : static_cast<std::uint64_t>(-EINTR);
  if (again) r.rip -= syscall_length;
}

}  // namespace

// The user context that a handler would interrupt. False: the thread is in the middle of a supervisor stub,
// from which it comes out by itself, or an exception is about to be delivered.
bool guest_process::user_context(const task& t, kvm::registers& out) const {
  out = t.slot->cpu.regs();
  const kvm::stub_place& stub = t.slot->stub;
  const bool after_call =
      t.call_served || (stub.after_any_out(out.rip) && facts_.stub == kvm::syscall_stub::supervisor);
  if (after_call) {
    if (facts_.stub == kvm::syscall_stub::supervisor) {
      out.rip = out.rcx;
      out.rflags = out.r11;
    }
    return true;
  }
  if (stub.contains(out.rip) || t.slot->cpu.cpl() != 3) return false;
  return !t.interrupted || !t.slot->cpu.exception_pending();
}

// Puts a handler's frame below `user`, which becomes the handler's context.
bool guest_process::enter_handler(task& t, kvm::registers& user, const siginfo_t& info,
                                  const signal_action& action) {
  auto& own = t.guest.signals;
  const signal_mask saved = own.saved.value_or(own.blocked);
  xstate_bytes xstate{};
  if (!t.slot->cpu.get_xsave(xstate)) return false;
  frame_request q{.user = user,
                  .info = info,
                  .action = action,
                  .saved_mask = saved,
                  .stack = own.stack,
                  .trap = t.trap,
                  .layout = instance_.xstate,
                  .xstate = xstate};
  const auto handler = push_signal_frame(memory(), q);
  if (!handler || !t.slot->cpu.set_xsave(initial_xstate())) return false;
  own.saved.reset();
  if (own.stack.flags & stack_disarm) state_.signals.set_stack(t.guest, {.flags = SS_DISABLE});
  state_.signals.entered(t.guest, info.si_signo, action);
  user = *handler;
  return true;
}

void guest_process::end_by_signal(task& t, int signal, const char* detail) {
  exit_report r;
  r.cause = exit_cause::signaled;
  r.signal = signal;
  r.detail = detail;
  t.guest.exiting = true;
  exit(std::move(r));
}

// A frame that did not fit is a SIGSEGV of its own; when that has no handler, or was the signal, the process
// ends.
bool guest_process::enter_or_fault(task& t, kvm::registers& user, const process_signals::taken& s) {
  if (enter_handler(t, user, s.info, s.action)) return true;
  siginfo_t info{};
  info.si_signo = SIGSEGV;
  info.si_code = SI_KERNEL;
  const auto action = s.info.si_signo == SIGSEGV ? std::nullopt : state_.signals.force(t.guest, SIGSEGV);
  if (action && enter_handler(t, user, info, *action)) return true;
  end_by_signal(t, SIGSEGV, "no room for a signal's frame on its stack");
  return false;
}

void guest_process::wait_until_continued(task& t) {
  if (!stop_told_.exchange(true)) tell_change(SIGSTOP);
  while (state_.signals.stopped() && !ended_.load() && !t.guest.wait.interrupted()) {
    if (t.guest.wait.sleep(std::nullopt) != wait_result::timed_out) continue;
    exit_report r;  // the only deadline is the instance's
    r.cause = exit_cause::wall_budget;
    exit(std::move(r));
  }
  if (!state_.signals.stopped() && stop_told_.exchange(false)) tell_change(0);
}

// Does what the thread's signals ask for. `stopped` is the result of the call that one of them stopped, or 0.
// True: a handler is entered (a stopped call is settled then).
bool guest_process::deliver_signals(task& t, std::int64_t stopped, std::uint64_t number) {
  kvm::registers user;
  if (!user_context(t, user)) return false;
  bool entered = false;
  while (!ended_.load() && !t.guest.exiting) {
    const auto s = state_.signals.take(t.guest);
    using what = process_signals::taken::what;
    if (s.kind == what::stop) {
      wait_until_continued(t);
    } else if (s.kind == what::end) {
      const verdict v = tell_debugger(t, user, s.info.si_signo);
      if (v == verdict::replaced) return true;
      if (v == verdict::goes_on) continue;
      dump_core(t, user, s.info.si_signo);
      end_by_signal(t, s.info.si_signo, "");
    } else if (s.kind == what::handler) {
      if (!entered && stopped) settle_call(user, stopped, number, s.action);
      if (!enter_or_fault(t, user, s)) return true;
      entered = true;
    } else if (t.guest.signals.saved) {
      // No handler ran under the mask of the call: the thread's own may let others through.
      state_.signals.set_blocked(t.guest, *t.guest.signals.saved);
      t.guest.signals.saved.reset();
    } else {
      break;
    }
  }
  if (entered && !resume_user(t, user)) raise_protection_fault(t, user);
  return entered;
}

// An instruction of the thread faulted. Its handler runs, or the process ends with `report`.
void guest_process::raise_fault(task& t, kvm::registers user, const fault_signal& f, exit_report report) {
  t.trap = f.trap;
  const verdict v = tell_debugger(t, user, f.info.si_signo);
  if (v == verdict::replaced) return;
  if (v == verdict::goes_on) {
    if (!resume_user(t, user)) exit(std::move(report));
    return;
  }
  const auto action = state_.signals.force(t.guest, f.info.si_signo);
  if (!action || !enter_handler(t, user, f.info, *action)) {
    dump_core(t, user, f.info.si_signo);
    exit(std::move(report));
    return;
  }
  if (!resume_user(t, user)) {
    report.detail = "the handler's address cannot be executed";
    exit(std::move(report));
  }
}

void guest_process::raise_protection_fault(task& t, const kvm::registers& user) {
  const kvm::exception_frame frame{.rip = user.rip, .rflags = user.rflags, .rsp = user.rsp};
  constexpr unsigned protection_vector = 13;
  raise_fault(t, user, signal_of_exception(protection_vector, frame, t.trap.address, {}),
              exception_report(protection_vector, frame, 0, user, t.guest.tid));
}

// rt_sigreturn was served: loads what it read.
void guest_process::load_context(task& t) {
  const auto context = std::move(t.guest.context);
  if (context->valid && t.slot->cpu.set_xsave(context->xstate)) {
    if (!resume_user(t, context->user)) raise_protection_fault(t, context->user);
    return;
  }
  kvm::registers user = t.slot->cpu.regs();
  user.rip = user.rcx;
  user.rflags = user.r11;
  raise_protection_fault(t, user);
}

}  // namespace osvm::unikernel
