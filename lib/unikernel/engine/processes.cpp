// fork, execve and the end of a process.
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/engine/process_setup.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace osvm::unikernel {
namespace {

// As wait(2) has it.
int wait_status(const exit_report& r) noexcept {
  if (r.cause == exit_cause::exited) return (r.status & 0xff) << 8;
  if (r.cause == exit_cause::killed) return SIGKILL;
  return (r.signal & 0x7f) != 0 ? r.signal & 0x7f : SIGSEGV;
}

// What is no affair of one process: budgets are the instance's, and a guest that reached for CPL 0 is not
// asked to go on.
bool concerns_instance(const exit_report& r) noexcept {
  switch (r.cause) {
    case exit_cause::exited:
    case exit_cause::signaled: return false;
    case exit_cause::faulted:
      return r.fault && (r.fault->kind == fault_kind::privilege || r.fault->kind == fault_kind::internal);
    default: return true;
  }
}

void name_thread(guest_thread& t, const std::string& executable) {
  const std::string name = executable.substr(executable.find_last_of('/') + 1, sizeof t.name - 1);
  std::memset(t.name, 0, sizeof t.name);
  std::memcpy(t.name, name.data(), name.size());
}

}  // namespace

guest_process::guest_process(process_owner& owner, int pid)
    : owner_(owner),
      instance_(owner.instance()),
      facts_(owner.facts()),
      state_(pid, instance_.budgets, *this, instance_.open_descriptors),
      wall_end_(owner.wall_end()),
      first_(std::make_shared<task>(pid)) {}

guest_process::~guest_process() = default;

std::shared_ptr<machine> guest_process::current_machine() const {
  const std::scoped_lock lock(threads_lock_);
  return machine_;
}

guest_process::task& guest_process::task_of(const guest_thread& g) {
  const std::scoped_lock lock(threads_lock_);
  return *tasks_.at(g.tid);
}

result<void> guest_process::prepare(std::shared_ptr<machine> m, const kvm::registers& regs) {
  OSVM_TRY(first_->slot, m->take_cpu());
  first_->slot->cpu.enter_user(regs);
  machine_ = std::move(m);
  return {};
}

result<void> guest_process::start(deadline wall_end) {
  wall_end_ = wall_end;
  const std::scoped_lock lock(threads_lock_);
  if (const auto r = launch(std::move(first_)); r < 0)
    return errno_error("starting the guest's first thread", static_cast<int>(-r));
  return {};
}

void guest_process::stop() noexcept {
  const std::scoped_lock lock(threads_lock_);
  ended_.store(true, std::memory_order_seq_cst);
  for (auto& [tid, t] : tasks_) {
    t->guest.wait.interrupt();
    ::pthread_kill(t->handle, kick_signal());
  }
}

void guest_process::exit(exit_report report) {
  if (pid() == guest_pid || concerns_instance(report)) {
    owner_.end(std::move(report));
    return;
  }
  {
    const std::scoped_lock lock(threads_lock_);
    if (!report_) report_ = std::move(report);
  }
  stop();
}

// fork

result<std::shared_ptr<machine>> guest_process::machine_for_child(const child_start& how) {
  if (how.shares_memory) return machine_;
  OSVM_TRY(auto m, owner_.make_machine());
  if (m->memory().copy(memory(), image_->memory.get()) < 0)
    return error(osvm::errc::limit_exceeded, "memory of a child");
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
  if (!how.shares_memory) instance_.segments.copy(&memory(), &child.memory(), id);
  return child.load_start(t, how);
}

std::int64_t guest_process::start_child(const child_start& how, guest_thread& caller) {
  owner_.reap();
  if (!owner_.admit_thread()) return instance_.deny("fork", "--threads N", EAGAIN);
  const auto child = std::make_shared<guest_process>(owner_, owner_.next_id());
  const int id = child->pid();
  const std::shared_ptr<process_state> state(child, &child->state_);
  const auto give_up = [&](std::int64_t e) {
    instance_.processes.forget(id);
    owner_.thread_left({}, {});
    return e;
  };
  if (!instance_.processes.add(state, pid(), how.exit_signal)) {
    if (instance_.rules.process_budget) {
      owner_.thread_left({}, {});
      return instance_.deny("fork", "--processes N", EAGAIN);
    }
    instance_.processes.add_beyond_limit(state, pid(), how.exit_signal);
  }
  auto m = machine_for_child(how);
  if (!m) return give_up(-ENOMEM);
  child->machine_ = std::move(*m);
  child->image_ = image_;
  if (how.shares_memory || how.parent_waits) {
    child->borrowed_ = std::make_shared<borrowed_memory>();
    if (how.parent_waits) child->borrowed_->parent = &caller.wait;
  }
  const auto returned = child->borrowed_;
  task& own = task_of(caller);
  if (!prepare_child(*child, how, own)) return give_up(-EAGAIN);
  if (!owner_.adopt(child)) return give_up(-EAGAIN);
  std::int64_t r = 0;
  {
    const std::scoped_lock lock(child->threads_lock_);
    r = child->ended_.load() ? -EAGAIN : child->launch(std::move(child->first_));
  }
  if (r < 0) {
    owner_.gone(*child, {});
    return give_up(r);
  }
  if (how.parent_waits) await_return(*returned, caller);
  return id;
}

// Signals wait until the child is through, as Linux has it; only the process's own end does not.
void guest_process::await_return(borrowed_memory& from, guest_thread& caller) {
  for (;;) {
    {
      const std::scoped_lock lock(from.lock);
      if (from.returned) return;
    }
    if (caller.wait.park(std::nullopt, false) == wait_result::ready) continue;
    const std::scoped_lock lock(from.lock);
    from.parent = nullptr;  // it ends: nobody waits any more
    return;
  }
}

void guest_process::return_memory() noexcept {
  const auto borrowed = std::move(borrowed_);
  if (!borrowed) return;
  const std::scoped_lock lock(borrowed->lock);
  borrowed->returned = true;
  if (borrowed->parent) borrowed->parent->unpark();
}

// execve

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

std::int64_t guest_process::run_program(const program_start& what, guest_thread& caller) {
  auto made = owner_.make_machine();
  if (!made) return -ENOMEM;
  const std::shared_ptr<machine> next = std::move(*made);
  process_options p;
  p.executable = what.executable;
  p.called = what.called;
  p.loader = what.loader ? &*what.loader : nullptr;
  p.arguments = what.arguments;
  p.environment = what.environment;
  p.clock_page = facts_.tsc_direct && facts_.tsc_khz != 0;
  p.fsgsbase = facts_.fsgsbase;
  const auto start = set_up_process(next->memory(), *what.image, p);
  if (!start) return start.error().code == make_error_code(errc::arguments_too_long) ? -E2BIG : -ENOMEM;
  next->start_clock(start->clock);
  auto slot = next->take_cpu();
  if (!slot) return -ENOMEM;
  task& t = task_of(caller);
  if (const auto r = leave_alone(t); r < 0) return r;
  // Nothing fails from here on.
  release_waiters_of(t);
  caller.clear_child_tid = caller.robust_list = 0;
  state_.forget_program(caller);
  state_.set_program(what.executable, what.arguments);
  if (!borrowed_) instance_.segments.forget(&memory(), pid());
  if (t.ring) {
    owner_.poller()->remove(*t.ring);
    t.ring.reset();
  }
  state_.signals.forget_thread(caller);
  {
    const std::scoped_lock lock(threads_lock_);
    machine_->give_back(std::move(t.slot));
    t.slot = std::move(*slot);
    t.retired = std::exchange(machine_, next);
    image_ = what.image;
    if (caller.tid != pid()) {
      auto node = tasks_.extract(caller.tid);
      caller.tid = node.key() = pid();
      tasks_.insert(std::move(node));
    }
  }
  state_.signals.add(caller);
  name_thread(caller, what.executable);
  caller.fs_base = caller.gs_base = 0;
  t.slot->cpu.enter_user(start->regs);
  t.call_served = false;
  t.replaced = true;
  instance_.processes.runs_program(pid());
  return_memory();
  return 0;
}

// The end

// Runs on the last thread.
void guest_process::finish(task& t) noexcept {
  state_.timers.stop();
  for (const int fd : state_.descriptors.numbers()) {
    if (const auto d = state_.descriptors.remove(fd)) state_.locks.closed(d->host);
  }
  if (!borrowed_) instance_.segments.forget(&memory(), pid());
  return_memory();
  tell_parent(report_.value_or(exit_report{.status = t.exit_status}));
}

void guest_process::tell_change(int signal) {
  const auto parent = instance_.processes.changed(pid(), signal);
  if (!parent || (parent->signals.action(SIGCHLD).flags & static_cast<std::uint64_t>(SA_NOCLDSTOP))) return;
  siginfo_t info{};
  info.si_signo = SIGCHLD;
  info.si_code = signal != 0 ? CLD_STOPPED : CLD_CONTINUED;
  info.si_pid = pid();
  info.si_uid = guest_user_id;
  info.si_status = signal != 0 ? signal : SIGCONT;
  (void)parent->signals.send(info);
}

void guest_process::tell_parent(const exit_report& report) noexcept {
  const int status = wait_status(report);
  const auto tell = [&](process_state& parent, int signal) {
    const auto action = parent.signals.action(SIGCHLD);
    const bool ignored =
        action.handler == 1 || (action.flags & static_cast<std::uint64_t>(SA_NOCLDWAIT)) != 0;
    if (signal == 0) return true;
    siginfo_t info{};
    info.si_signo = signal;
    info.si_code = WIFEXITED(status) ? CLD_EXITED : CLD_KILLED;
    info.si_pid = pid();
    info.si_uid = guest_user_id;
    info.si_status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    (void)parent.signals.send(info);
    return !ignored || signal != SIGCHLD;
  };
  for (const auto& orphan : instance_.processes.ended(pid(), {.status = status, .cpu = cpu_time()}, tell)) {
    const int signal = orphan->parent_death_signal.load();
    if (signal == 0) continue;
    siginfo_t info{};
    info.si_signo = signal;
    info.si_code = SI_USER;
    (void)orphan->signals.send(info);
  }
}

}  // namespace osvm::unikernel
