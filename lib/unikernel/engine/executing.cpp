// execve(): a machine with the new program is made, the process's other threads end, and the one that called
// goes on there.
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/engine/process_setup.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace osvm::unikernel {
namespace {

// As Linux: a script's thread has the script's name, not its interpreter's.
void name_thread(guest_thread& t, const std::string& path) {
  const std::string name = path.substr(path.find_last_of('/') + 1, sizeof t.name - 1);
  std::memset(t.name, 0, sizeof t.name);
  std::memcpy(t.name, name.data(), name.size());
}

}  // namespace

// Ends all other threads of the process. 0; -EINTR: it ends itself.
std::int64_t guest_process::leave_alone(task& t) {
  {
    const std::scoped_lock lock(threads_lock_);
    if (alone_) return -EINTR;
    alone_ = &t.guest.wait;
    for (auto& [tid, other] : tasks_) {
      if (other.get() == &t) continue;
      other->dismissed = true;
      other->guest.wait.interrupt();
      ::pthread_kill(other->handle, kick_signal());
    }
  }
  tell_gate();
  std::int64_t r = 0;
  for (;;) {
    {
      const std::scoped_lock lock(threads_lock_);
      if (tasks_.size() == 1 || r < 0) {
        alone_ = nullptr;
        return r;
      }
    }
    if (t.guest.wait.park(std::nullopt, false) != wait_result::ready) r = -EINTR;
  }
}

// A machine with the program laid out in it. 0 or -errno.
std::int64_t guest_process::prepare_program(const program_start& what, prepared_program& out) {
  auto made = owner_.make_machine();
  if (!made) return -ENOMEM;
  out.next = std::move(*made);
  process_options p;
  p.executable = what.executable;
  p.called = what.called;
  p.loader = what.loader ? &*what.loader : nullptr;
  p.arguments = what.arguments;
  p.environment = what.environment;
  p.clock_page = facts_.tsc_direct && facts_.tsc_khz != 0;
  p.fsgsbase = facts_.fsgsbase;
  const auto start = set_up_process(out.next->memory(), *what.image, p);
  if (!start) return start.error().code == make_error_code(errc::arguments_too_long) ? -E2BIG : -ENOMEM;
  out.next->start_clock(start->clock);
  out.regs = start->regs;
  out.auxiliary = start->auxiliary;
  auto slot = out.next->take_cpu();
  if (!slot) return -ENOMEM;
  out.slot = std::move(*slot);
  return 0;
}

// The only thread of the process gets the new program's vCPU, and the number of the first one.
void guest_process::enter_program(task& t, const program_start& what, prepared_program& program) {
  if (t.ring) {
    owner_.poller()->remove(*t.ring);
    t.ring.reset();
  }
  state_.signals.forget_thread(t.guest);
  {
    const std::scoped_lock lock(threads_lock_);
    machine_->give_back(std::move(t.slot));
    t.slot = std::move(program.slot);
    t.retired = std::exchange(machine_, program.next);
    image_ = what.image;
    const std::scoped_lock gate(gate_.lock);
    gate_.breakpoints.clear();  // they were the old program's
    if (t.guest.tid != pid()) {
      auto node = tasks_.extract(t.guest.tid);
      t.guest.tid = node.key() = pid();
      tasks_.insert(std::move(node));
    }
  }
  state_.signals.add(t.guest);
  t.guest.fs_base = t.guest.gs_base = 0;
  t.slot->cpu.enter_user(program.regs);
  t.call_served = false;
  t.replaced = true;
}

std::int64_t guest_process::run_program(const program_start& what, guest_thread& caller) {
  prepared_program program;
  if (const auto r = prepare_program(what, program); r < 0) return r;
  task& t = task_of(caller);
  if (const auto r = leave_alone(t); r < 0) return r;
  // Nothing fails from here on.
  release_waiters_of(t);
  caller.clear_child_tid = caller.robust_list = 0;
  state_.forget_program(caller);
  state_.set_program(what.executable, what.arguments);
  state_.set_auxiliary(std::move(program.auxiliary));
  name_thread(caller, what.called);
  if (!memory_is_parents_) instance_.segments.forget(&memory(), pid());
  memory_is_parents_ = false;
  enter_program(t, what, program);
  instance_.processes.runs_program(pid());
  let_parent_go();
  return 0;
}

}  // namespace osvm::unikernel
