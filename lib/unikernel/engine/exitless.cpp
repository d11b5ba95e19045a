// The engine's side of calls that are answered without an exit: what the poller does with one, and what an
// exit in the middle of a vCPU's stub means.
#include "unikernel/exitless/calls.hpp"

#include "unikernel/engine/guest_process.hpp"

namespace osvm::unikernel {
namespace {

// Flags that SYSCALL leaves as they are; stub B's jump restores no others.
constexpr std::uint64_t plain_flags = 0x8d5 | kvm::rflags::user_fixed | kvm::rflags::id;

}  // namespace

std::optional<std::int64_t> guest_process::serve_polled(ring_member& m, const kvm::ring_slot& call) {
  guest_thread& g = m.guest();
  if (ended_.load(std::memory_order_acquire) || g.wait.interrupted()) return std::nullopt;
  if ((call.r11 & ~plain_flags) != 0) return std::nullopt;
  call_context ctx{
      instance_, state_, memory(), g, {call.rdi, call.rsi, call.rdx, call.r10, call.r8, call.r9}};
  if (call.rax >= max_syscall_number) return std::nullopt;
  if (!may_be_polled(ctx, call.rax) && instance_.rules.polled_calls) return std::nullopt;
  machine_->clock().tick();
  g.wait.begin_attempt();
  const std::int64_t value = dispatch(ctx, call.rax);
  const bool would_wait = g.wait.end_attempt();
  if ((would_wait && value < 0) || is_interrupted_call(value)) {
    instance_.syscall_counts[call.rax].fetch_sub(1, std::memory_order_relaxed);  // it is made again
    return std::nullopt;
  }
  (void)end_over_budget();
  // The call itself may have sent the thread a signal (SIGPIPE): without an exit it would not see it.
  if (g.wait.interrupted()) kick(g.tid);
  return value;
}

// The call that the poller has answered while its thread was on the way out.
bool guest_process::answered_late(const task& t) const {
  return !t.ring->call_waits() && !t.ring->refused();
}

// A thread was stopped in its stub, and a signal waits for it. Either its call is finished here, or it comes
// out by itself.
void guest_process::settle_stub(task& t) {
  kvm::registers& r = t.slot->cpu.regs();
  const kvm::stub_place& stub = t.slot->stub;
  if (t.call_served || !stub.contains(r.rip) || stub.after_any_out(r.rip)) return;
  if (!stub.is_waiting(r.rip) || !answered_late(t)) {
    t.ring->pause();
    return;
  }
  const kvm::ring_slot call = t.ring->take();
  r.rcx = call.rcx;
  r.r11 = call.r11;
  r.rip = stub.after_late;
  (void)finish_call(t, t.ring->answered());
}

// A call came out through the port.
void guest_process::serve_call_outside(task& t) {
  if (t.slot->cpu.regs().rip == t.slot->stub.after_late && answered_late(t)) {
    (void)finish_call(t, t.ring->answered());
  } else {
    t.ring->refuse();
    serve_call(t);
  }
  call_poller& poller = *owner_.poller();
  const bool awake = poller.awake();
  t.ring->resume(awake);
  if (!awake) poller.call_came_out();
}

}  // namespace osvm::unikernel
