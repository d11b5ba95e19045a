// A guest thread's life: enter the VM, serve what it came out for, enter again.
#include "unikernel/engine/faults.hpp"
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/thread/robust_list.hpp"
#include "unikernel/thread/signals_blocked.hpp"

#include <linux/futex.h>
#include <sys/mman.h>

#include <csignal>
#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr std::size_t thread_stack = 256 << 10;
constexpr unsigned page_fault_vector = 14;
constexpr unsigned max_repeated_faults =
    10000;  // the same fault resolved again and again: KVM does not make progress
constexpr unsigned max_host_faults = 100000;
// With shared mappings of files: how often a vCPU tries before files are looked at, before a page of one is
// given up, and the same where KVM does not say which page it was (a flush may be preempted for
// milliseconds).
constexpr unsigned host_faults_until_look = 4, max_shared_faults = 64, max_unknown_faults = 20000;

std::chrono::nanoseconds own_cpu_time() noexcept {
  timespec t{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

// The context that an exception interrupted: the CPU pushed some of it, the stubs changed nothing else.
kvm::registers at_fault(const kvm::registers& now, const kvm::exception_frame& frame) noexcept {
  kvm::registers r = now;
  r.rip = frame.rip;
  r.rsp = frame.rsp;
  r.rflags = frame.rflags;
  return r;
}

// A call that only a pause has stopped is made again, also one that a signal would end with EINTR.
std::int64_t dispatch_whole(call_context& ctx, std::uint64_t number) {
  const std::int64_t value = dispatch(ctx, number);
  return value == -EINTR && ctx.thread.wait.only_paused() ? code(interrupted_call::always_restart) : value;
}

}  // namespace

int kick_signal() noexcept {
  return SIGRTMIN + 5;
}

// threads_lock_ is held, and the thread was admitted.
std::int64_t guest_process::launch(std::shared_ptr<task> t) {
  t->owner = shared_from_this();
  t->guest.wait.set_limit(wall_end_);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, thread_stack);
  if (t->slot->ring) *t->slot->ring = {};
  // Other processes' calls come out: a ring belongs to the machine that the first one started with.
  if (owner_.poller() && t->slot->ring && pid() == guest_pid) {
    t->ring = std::make_shared<ring_member>(t->guest, *t->slot->ring);
    owner_.poller()->add(t->ring);
  }
  tasks_.emplace(t->guest.tid, t);
  ++running_threads_;
  ++present_threads_;
  state_.signals.add(t->guest);
  if (pause_wanted()) t->guest.wait.pause();
  int e = 0;
  {
    const all_signals_blocked blocked;
    e = ::pthread_create(&t->handle, &attributes, &thread_main, t.get());
  }
  pthread_attr_destroy(&attributes);
  if (e != 0) {
    state_.signals.forget(t->guest);
    if (t->ring) owner_.poller()->remove(*t->ring);
    machine_->give_back(std::move(t->slot));
    tasks_.erase(t->guest.tid);
    --running_threads_;
    --present_threads_;
    t->owner.reset();
    return -e;
  }
  return t->guest.tid;
}

std::int64_t guest_process::start_thread(const thread_start& how) {
  owner_.reap();
  const std::scoped_lock lock(threads_lock_);
  if (ended_.load() || alone_) return -EAGAIN;
  if (!owner_.admit_thread()) return instance_.deny("clone of a thread", "--threads N", EAGAIN);
  const std::int64_t r = start_admitted(how);
  if (r < 0) owner_.thread_left({}, {});
  return r;
}

// threads_lock_ is held.
std::int64_t guest_process::start_admitted(const thread_start& how) {
  auto t = std::make_shared<task>(owner_.next_id());
  auto slot = machine_->take_cpu();
  if (!slot) return -EAGAIN;
  t->slot = std::move(*slot);
  t->guest.signals.blocked = how.blocked_signals;
  const std::int32_t tid = t->guest.tid;
  {
    memory_access access(memory());
    // Linux ignores what it cannot write here.
    if (how.set_parent_tid) (void)access.write(how.set_parent_tid, tid);
    if (how.set_child_tid) (void)access.write(how.set_child_tid, tid);
  }
  if (how.parent) {
    if (const auto parent = tasks_.find(how.parent->tid); parent != tasks_.end())
      t->slot->cpu.copy_fpu(parent->second->slot->cpu);
  }
  if (!load_start(*t, how)) {
    machine_->give_back(std::move(t->slot));
    return -EPERM;
  }
  return launch(std::move(t));
}

// The first context of a thread. False: it may not be loaded.
bool guest_process::load_start(task& t, const thread_start& how) {
  if (!resume_user(t, how.regs)) return false;
  t.guest.clear_child_tid = how.clear_child_tid;
  t.guest.fs_base = how.fs_base;
  t.guest.gs_base = how.gs_base;
  t.slot->cpu.set_fs_base(how.fs_base);
  t.slot->cpu.set_gs_base(how.gs_base);
  return true;
}

void* guest_process::thread_main(void* argument) {
  auto* t = static_cast<task*>(argument);
  const std::shared_ptr<guest_process> self = t->owner;  // outlives the thread, whatever it ends
  try {
    self->run(*t);
  } catch (const std::exception& e) {
    exit_report r;
    r.cause = exit_cause::failed;
    r.detail = e.what();
    self->exit(std::move(r));
  }
  self->leave(*t);
  return nullptr;
}

void guest_process::run(task& t) {
  const bool cpu_limited = instance_.budgets.cpu_time.count() > 0 && instance_.rules.cpu_budget;
  std::optional<kick_timer> cpu_timer, wall_timer;
  if (cpu_limited) {
    cpu_timer.emplace(CLOCK_THREAD_CPUTIME_ID, kick_signal());
    cpu_timer->arm(std::max<std::chrono::nanoseconds>(instance_.budgets.cpu_time - owner_.total_cpu_time(),
                                                      std::chrono::milliseconds(1)));
  }
  if (wall_end_) {
    wall_timer.emplace(CLOCK_MONOTONIC, kick_signal());
    wall_timer->arm(*wall_end_ - wait_clock::now());
  }
  if (t.guest.tid == guest_pid) owner_.first_entry();
  const auto over = [&] { return ended_.load(std::memory_order_acquire) || t.guest.exiting || t.dismissed; };
  while (!over()) {
    if (t.guest.wait.interrupted()) {
      if (t.ring) settle_stub(t);
      (void)deliver_signals(t, 0, 0);
      if (!over() && pause_wanted()) stand_still(t);
    }
    if (over()) break;
    t.call_served = false;
    if (t.ring) t.ring->release();
    const kvm::exit_info e = t.slot->cpu.run();
    if (t.ring) t.ring->hold();
    t.interrupted = e.kind == kvm::exit_kind::interrupted;
    owner_.count_exit();
    t.guest.fs_base = t.slot->cpu.fs_base();
    t.guest.gs_base = t.slot->cpu.gs_base();
    if (!handle_exit(t, e)) break;
    if (cpu_limited && e.kind == kvm::exit_kind::interrupted && !ended_.load()) {
      const auto left = instance_.budgets.cpu_time - owner_.total_cpu_time();
      if (left.count() <= 0) {
        exit_report r;
        r.cause = exit_cause::cpu_budget;
        exit(std::move(r));
      }
      cpu_timer->arm(std::max<std::chrono::nanoseconds>(left / std::max(1U, owner_.total_threads()),
                                                        std::chrono::milliseconds(1)));
    }
    if (wall_time_is_up()) {
      exit_report r;
      r.cause = exit_cause::wall_budget;
      exit(std::move(r));
    }
  }
}

// A system call comes from the vCPU's stub and nowhere else: OUTS from the guest's own code looks the same
// otherwise.
bool guest_process::in_stub(const task& t) const noexcept {
  return t.slot->stub.contains(t.slot->cpu.regs().rip);
}

// False: this thread does not enter the VM again.
bool guest_process::handle_exit(task& t, const kvm::exit_info& e) {
  using kvm::exit_kind;
  if (e.kind == exit_kind::interrupted) return true;
  if (e.kind == exit_kind::host_fault) {
    return retry_host_fault(t, e);
  }
  t.host_faults = 0;
  const unsigned cpl = t.slot->cpu.cpl();
  if (e.kind == exit_kind::io && e.outgoing && e.port == kvm::syscall_port &&
      ((e.size == 1 && e.count == 1 && in_stub(t)) || !instance_.rules.port_checks)) {
    const bool must_be_user = facts_.stub == kvm::syscall_stub::user;
    if (must_be_user && cpl == 0 && instance_.rules.privilege_check) {
      fault(t, e, fault_kind::privilege);
      return false;
    }
    if (t.ring) {
      serve_call_outside(t);
    } else {
      serve_call(t);
    }
    return true;
  }
  if (e.kind == exit_kind::io && e.outgoing && cpl == 0 && e.port >= kvm::exception_port &&
      e.port < kvm::exception_port + 32) {
    serve_exception(t, e.port - kvm::exception_port);
    return true;
  }
  if (e.kind == exit_kind::io && !instance_.rules.port_checks) return true;
  fault(t, e, kind_of_exit(e));
  return false;
}

// A host page was not there: it was being flushed at that moment (frame_pool::notify), or it is a shared page
// of a file that shrank or has no room left on its disk. Most often trying again is all that is needed.
bool guest_process::retry_host_fault(task& t, const kvm::exit_info& e) {
  const unsigned times = ++t.host_faults;
  const bool shared = memory().has_shared_files();
  if (shared && times % host_faults_until_look == 0) (void)memory().forget_missing();
  const std::uint64_t at = shared && e.address ? memory().shared_address(e.address) : 0;
  const unsigned most = !shared ? max_host_faults : at ? max_shared_faults : max_unknown_faults;
  if (times < most) return true;
  t.host_faults = 0;
  if (!shared || t.slot->cpu.cpl() != 3) {
    fault(t, e, fault_kind::internal);
    return false;
  }
  fault_signal signal;
  signal.info.si_signo = SIGBUS;
  signal.info.si_code = BUS_ADRERR;
  signal.info.si_addr = reinterpret_cast<void*>(at);  // a guest address, never followed
  const kvm::registers user = t.slot->cpu.regs();
  exit_report report = exit_fault_report(e, fault_kind::internal, user, t.guest.tid);
  report.signal = SIGBUS;
  raise_fault(t, user, signal, std::move(report));
  return true;
}

void guest_process::fault(task& t, const kvm::exit_info& e, fault_kind kind) {
  exit(exit_fault_report(e, kind, t.slot->cpu.regs(), t.guest.tid));
}

// Loads a user context whose values the guest chose. False: it may not be loaded.
bool guest_process::resume_user(task& t, kvm::registers r) {
  if (instance_.rules.sanitize_registers) {
    if (!kvm::user_canonical(r.rip)) return false;
    r.rflags = (r.rflags & kvm::rflags::user_bits) | kvm::rflags::user_fixed;
  }
  t.slot->cpu.enter_user(r);
  t.call_served = t.interrupted = false;
  return true;
}

void guest_process::serve_call(task& t) {
  kvm::registers& r = t.slot->cpu.regs();
  const std::uint64_t number = r.rax;
  machine_->clock().tick();
  t.guest.regs = &r;
  call_context ctx{instance_, state_, memory(), t.guest, {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9}};
  t.guest.wait.forget_pause();
  std::int64_t value = dispatch_whole(ctx, number);
  if (t.replaced) {
    t.replaced = false;
    t.retired.reset();
    return;
  }
  while (is_interrupted_call(value)) {
    // A signal stopped the call, or a pause. Without a handler to run it goes on, unseen by the program.
    if (pause_wanted() && stand_still_before(t, number)) {
      t.guest.repeated = false;
      return;
    }
    if (!finish_call(t, -EINTR) || deliver_signals(t, value, number)) break;
    if (ended_.load() || t.guest.exiting || wall_time_is_up()) break;
    t.guest.repeated = true;
    value = dispatch_whole(ctx, number);
  }
  if (t.guest.repeated) t.guest.repeated = false;
  if (!is_interrupted_call(value)) (void)finish_call(t, value);
}

bool guest_process::end_over_budget() {
  if (!memory().over_budget() || !instance_.rules.memory_budget) return false;
  exit_report report;
  report.cause = exit_cause::memory_budget;
  exit(std::move(report));
  return true;
}

// The registers after a system call. False: the thread cannot go on with them.
bool guest_process::finish_call(task& t, std::int64_t value) {
  if (t.guest.exiting) t.exit_status = static_cast<int>(value);
  if (end_over_budget()) return false;
  if (t.guest.context) {
    load_context(t);
    return true;
  }
  if (t.guest.bases_changed) {
    t.guest.bases_changed = false;
    t.slot->cpu.set_fs_base(t.guest.fs_base);
    t.slot->cpu.set_gs_base(t.guest.gs_base);
  }
  kvm::registers& r = t.slot->cpu.regs();
  t.call_served = true;
  r.rax = static_cast<std::uint64_t>(value);
  if (facts_.stub == kvm::syscall_stub::user) {
    // The return of stub B: SYSRET's work, done here, with checked values.
    r.rip = r.rcx;
    r.rflags = r.r11;
    if (instance_.rules.sanitize_registers) {
      if (!kvm::user_canonical(r.rcx)) {
        raise_protection_fault(t, r);
        return false;
      }
      r.rflags = (r.r11 & kvm::rflags::user_bits) | kvm::rflags::user_fixed;
    }
  }
  t.slot->cpu.put_regs();
  return true;
}

void guest_process::serve_exception(task& t, unsigned vector) {
  const kvm::exception_frame frame = kvm::read_frame(t.slot->interrupt_stack, has_error_code(vector));
  const bool from_user = (frame.cs & 3) == 3;
  if (vector == page_fault_vector && from_user) {
    serve_page_fault(t, frame);
    return;
  }
  exit_report report = exception_report(vector, frame, t.slot->cpu.cr2(), t.slot->cpu.regs(), t.guest.tid);
  if (!from_user) {
    report.fault->kind = fault_kind::privilege;
    exit(std::move(report));
    return;
  }
  xstate_bytes control{};
  (void)t.slot->cpu.get_xsave(control);
  raise_fault(t, at_fault(t.slot->cpu.regs(), frame),
              signal_of_exception(vector, frame, t.trap.address, control), std::move(report));
}

void guest_process::serve_page_fault(task& t, const kvm::exception_frame& frame) {
  const std::uint64_t address = t.slot->cpu.cr2();
  owner_.count_page_fault();
  t.repeated_faults =
      address == t.last_fault_address && frame.rip == t.last_fault_rip ? t.repeated_faults + 1 : 0;
  t.last_fault_address = address;
  t.last_fault_rip = frame.rip;
  using outcome = address_space::fault_result;
  const outcome r = memory().fault(address, frame.error_code & 2, frame.error_code & 16);
  if (r == outcome::resolved && t.repeated_faults < max_repeated_faults) {
    if (resume_user(t, at_fault(t.slot->cpu.regs(), frame))) return;
  }
  exit_report report = exception_report(page_fault_vector, frame, address, t.slot->cpu.regs(), t.guest.tid);
  if (r == outcome::over_budget || r == outcome::no_host_memory) {
    report.cause = r == outcome::over_budget ? exit_cause::memory_budget : exit_cause::failed;
    report.detail = r == outcome::over_budget ? "" : "no host memory for the guest";
    exit(std::move(report));
    return;
  }
  fault_signal signal = signal_of_page_fault(frame, address, r != outcome::no_mapping);
  if (r == outcome::no_content) {
    signal.info.si_signo = report.signal = SIGBUS;
    signal.info.si_code = BUS_ADRERR;
  }
  raise_fault(t, at_fault(t.slot->cpu.regs(), frame), signal, std::move(report));
}

// What the kernel does when a thread ends: the word at clear_child_tid is zeroed and one waiter woken; robust
// futexes that it holds are marked.
void guest_process::release_waiters_of(task& t) noexcept {
  if (t.guest.robust_list && !owner_.ended())
    release_robust_list(memory(), instance_.futexes, t.guest.robust_list, t.guest.tid);
  if (const std::uint64_t va = t.guest.clear_child_tid; va && !owner_.ended()) {
    const std::uint32_t zero = 0;
    if (memory_access(memory()).write(va, zero))
      (void)instance_.futexes.wake({&memory(), va}, 1, FUTEX_BITSET_MATCH_ANY);
  }
}

void guest_process::leave(task& t) noexcept {
  release_waiters_of(t);
  state_.signals.remove(t.guest);
  if (t.ring) owner_.poller()->remove(*t.ring);  // held, and never released again
  const auto cpu = own_cpu_time();
  std::shared_ptr<task> keep;  // `t` ends with this function
  {
    const std::scoped_lock lock(threads_lock_);
    finished_cpu_ += cpu;
    machine_->give_back(std::move(t.slot));
    const auto it = tasks_.find(t.guest.tid);
    keep = std::move(it->second);
    tasks_.erase(it);
    --running_threads_;
    if (tasks_.empty()) {
      ended_.store(true);
      last_status_ = t.exit_status;
    }
    if (alone_) alone_->unpark();
  }
  tell_gate();
  const pthread_t handle = t.handle;
  t.owner.reset();
  owner_.thread_left(handle, cpu);
  // Only now may the owner go: whoever sees the process end joins every thread that was in it.
  if (--present_threads_ != 0) return;
  finish();
  owner_.gone(*this, report_.value_or(exit_report{.status = last_status_}));
}

}  // namespace osvm::unikernel
