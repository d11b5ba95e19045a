// A process's beginning and end, and what its parent hears of it. fork() is in forking.cpp, execve() in
// executing.cpp, the life of its threads in vcpu_loop.cpp.
#include "unikernel/engine/guest_process.hpp"

#include <sys/wait.h>

#include <csignal>

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
  {
    const std::scoped_lock lock(threads_lock_);
    ended_.store(true, std::memory_order_seq_cst);
    for (auto& [tid, t] : tasks_) {
      t->guest.wait.interrupt();
      ::pthread_kill(t->handle, kick_signal());
    }
  }
  tell_gate();
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

// Runs on the last thread.
void guest_process::finish() noexcept {
  state_.timers.stop();
  for (const int fd : state_.descriptors.numbers()) {
    if (const auto d = state_.descriptors.remove(fd)) state_.locks.closed(d->host);
  }
  if (!memory_is_parents_) instance_.segments.forget(&memory(), pid());
  instance_.semaphores.process_ended(pid());
  let_parent_go();
  tell_parent(report_.value_or(exit_report{.status = last_status_}));
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
