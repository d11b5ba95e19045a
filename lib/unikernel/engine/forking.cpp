// fork(), vfork() and clone() of a process: a child with a copy of its parent's memory in a machine of its
// own, or with a vCPU in its parent's.
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/engine/process_setup.hpp"

#include <cerrno>
#include <cstring>

namespace osvm::unikernel {

result<std::shared_ptr<machine>> guest_process::machine_for_child(const child_start& how) {
  if (how.shares_memory) return machine_;
  OSVM_TRY(auto m, owner_.make_machine());
  if (m->memory().copy(memory(), image_->memory.get()) < 0)
    return error(osvm::errc::limit_exceeded, "memory of a child");
  lift_breakpoints(m->memory());
  if (facts_.tsc_direct && facts_.tsc_khz != 0) m->start_clock(map_vdso(m->memory()));
  return m;
}

// Everything of a child before its thread starts. False: it may not be.
bool guest_process::prepare_child(guest_process& child, const child_start& how, task& parent) {
  task& t = *child.first_;
  auto slot = child.machine_->take_cpu();
  if (!slot) return false;
  t.slot = std::move(*slot);
  child.state_.inherit(state_);
  t.guest.signals.blocked = how.blocked_signals;
  if (!how.shares_memory || how.parent_waits) t.guest.signals.stack = parent.guest.signals.stack;
  std::memcpy(t.guest.name, parent.guest.name, sizeof t.guest.name);
  xstate_bytes xstate{};
  if (!parent.slot->cpu.get_xsave(xstate) || !t.slot->cpu.set_xsave(xstate)) return false;
  const std::int32_t id = child.pid();
  if (how.set_parent_tid) (void)memory_access(memory()).write(how.set_parent_tid, id);
  if (how.set_child_tid) (void)memory_access(child.memory()).write(how.set_child_tid, id);
  if (!child.load_start(t, how)) return false;
  if (!how.shares_memory) instance_.segments.copy(&memory(), &child.memory(), id);
  return true;
}

// Counts the child and registers it. Null with `refusal` set: a budget says no.
std::shared_ptr<guest_process> guest_process::admit_child(const child_start& how, std::int64_t& refusal) {
  if (!owner_.admit_thread()) {
    refusal = instance_.deny("fork", "--threads N", EAGAIN);
    return nullptr;
  }
  auto child = std::make_shared<guest_process>(owner_, owner_.next_id());
  const std::shared_ptr<process_state> state(child, &child->state_);
  if (instance_.processes.add(state, pid(), how.exit_signal)) return child;
  if (instance_.rules.process_budget) {
    owner_.thread_left({}, {});
    refusal = instance_.deny("fork", "--processes N", EAGAIN);
    return nullptr;
  }
  instance_.processes.add_beyond_limit(state, pid(), how.exit_signal);
  return child;
}

// 0, or -errno: nothing of the child has run.
std::int64_t guest_process::build_child(guest_process& child, const child_start& how, guest_thread& caller) {
  auto m = machine_for_child(how);
  if (!m) return -ENOMEM;
  child.machine_ = std::move(*m);
  child.image_ = image_;
  child.memory_is_parents_ = how.shares_memory;
  if (how.parent_waits) {
    child.awaited_ = std::make_shared<awaited_child>();
    child.awaited_->parent = &caller.wait;
  }
  return prepare_child(child, how, task_of(caller)) ? 0 : -EAGAIN;
}

std::int64_t guest_process::launch_child(const std::shared_ptr<guest_process>& child) {
  if (!owner_.adopt(child)) return -EAGAIN;
  std::int64_t r = -EAGAIN;
  {
    const std::scoped_lock lock(child->threads_lock_);
    if (!child->ended_.load()) r = child->launch(std::move(child->first_));
  }
  if (r < 0) owner_.gone(*child, {});
  return r;
}

std::int64_t guest_process::start_child(const child_start& how, guest_thread& caller) {
  owner_.reap();
  std::int64_t r = 0;
  const auto child = admit_child(how, r);
  if (!child) return r;
  r = build_child(*child, how, caller);
  const auto awaited = child->awaited_;
  if (r == 0) r = launch_child(child);
  if (r < 0) {
    if (!child->memory_is_parents_ && child->machine_)
      instance_.segments.forget(&child->memory(), child->pid());
    instance_.processes.forget(child->pid());
    owner_.thread_left({}, {});
    return r;
  }
  if (how.parent_waits) await_child(*awaited, caller);
  return child->pid();
}

// Signals wait until the child is through, as Linux has it; only the process's own end does not.
void guest_process::await_child(awaited_child& child, guest_thread& caller) {
  for (;;) {
    {
      const std::scoped_lock lock(child.lock);
      if (child.through) return;
    }
    if (caller.wait.park(std::nullopt, false) == wait_result::ready) continue;
    const std::scoped_lock lock(child.lock);
    child.parent = nullptr;  // it ends: nobody waits any more
    return;
  }
}

void guest_process::let_parent_go() noexcept {
  const auto awaited = std::move(awaited_);
  if (!awaited) return;
  const std::scoped_lock lock(awaited->lock);
  awaited->through = true;
  if (awaited->parent) awaited->parent->unpark();
}

}  // namespace osvm::unikernel
