// Templates: saving a guest that stands still, and making an instance that goes on where it stood.
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/engine/in_process.hpp"
#include "unikernel/engine/process_setup.hpp"
#include "unikernel/snapshot/descriptors.hpp"
#include "unikernel/snapshot/restored_state.hpp"
#include "unikernel/snapshot/saved_instance.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace osvm::unikernel {
namespace {

// What the first instance had of the host's is not its clones'.
instance_options kept_options(const instance_options& given) {
  instance_options o = given;
  o.input = o.output = o.error = {};
  o.events = {};
  o.core = -1;
  o.wait_for_debugger = false;
  o.facts = nullptr;
  return o;
}

void save_process(process_state& from, saved_process& out) {
  {
    const std::scoped_lock lock(from.cwd_lock);
    out.working_directory = from.working_directory;
  }
  out.umask = from.umask.load();
  for (int n = 1; n <= max_signal; ++n) out.actions[static_cast<std::size_t>(n)] = from.signals.action(n);
  for (unsigned n = 0; n < RLIM_NLIMITS; ++n) out.limits[n] = from.limits.get(n);
  out.executable = from.executable();
  out.arguments = from.arguments();
  out.auxiliary = from.auxiliary();
}

}  // namespace

result<std::shared_ptr<const saved_instance>> engine::snapshot(std::chrono::nanoseconds) {
  return cannot_snapshot("it runs in a worker process");
}

result<call_answer> engine::call(std::string_view, std::string_view, const call_options&) {
  return error(osvm::errc::unsupported, "calls into a guest in a worker process");
}

result<void> engine::wait_ready(std::chrono::nanoseconds) {
  return error(osvm::errc::unsupported, "waiting for a guest in a worker process to be ready");
}

result<void> in_process_engine::check_snapshot() const {
  if (ended_.load()) return error(osvm::errc::closed, "the guest has ended");
  if (poller_) return cannot_snapshot("it has exitless calls");
  if (debugged_.load()) return cannot_snapshot("a debugger is attached");
  if (state_->processes.count() != 1) return cannot_snapshot("it has several processes");
  process_state& process = main_->state();
  if (process.signals.stopped()) return cannot_snapshot("it is stopped by a signal");
  if (process.timers.armed()) return cannot_snapshot("it has an armed timer");
  if (state_->segments.any() || state_->semaphores.any() || state_->queues.any())
    return cannot_snapshot("it has System V shared memory, semaphores or queues");
  if (state_->fifos.any()) return cannot_snapshot("it has made a FIFO");
  if (const std::string path = state_->files->changed_in_memory(); !path.empty())
    return cannot_snapshot("files in memory were changed below " + path);
  return {};
}

result<std::shared_ptr<const saved_instance>> in_process_engine::snapshot(std::chrono::nanoseconds timeout) {
  const auto until = wait_clock::now() + std::min<std::chrono::nanoseconds>(timeout, std::chrono::hours(24));
  const std::unique_lock alone(snapshot_lock_, until);
  if (!alone) return error(osvm::errc::timed_out, "another snapshot of the instance is being made");
  OSVM_CHECK(check_snapshot());
  OSVM_CHECK(main_->pause(until));
  auto saved = save();
  main_->resume();
  // One that was ended meanwhile may have closed its files while they were looked at.
  if (ended_.load()) return error(osvm::errc::closed, "the guest has ended");
  return saved;
}

// All threads stand still.
result<std::shared_ptr<const saved_instance>> in_process_engine::save() {
  OSVM_CHECK(check_snapshot());
  auto out = std::make_shared<saved_instance>(
      saved_instance{.program = image_, .options = kept_options(options_), .facts = facts_});
  OSVM_TRY(out->process.threads, main_->saved_threads());
  if (out->process.threads.empty()) return error(osvm::errc::closed, "the guest has ended");
  save_process(main_->state(), out->process);
  OSVM_TRY(out->process.descriptors, save_descriptors(main_->state()));
  OSVM_TRY(out->memory, main_->current_machine()->memory().save());
  out->next_id = next_id_.load();
  return std::shared_ptr<const saved_instance>(std::move(out));
}

result<std::shared_ptr<engine>> in_process_engine::spawn(executor ex,
                                                         std::shared_ptr<const saved_instance> from,
                                                         const instance_options& options) {
  const saved_instance& saved = *from;
  OSVM_CHECK(check_options(options));
  instance_options o = options;
  o.facts = &saved.facts;
  auto e = std::make_shared<in_process_engine>(std::move(ex), saved.program, o);
  OSVM_CHECK(e->open_host(o, {}));
  e->options_.facts = nullptr;
  e->origin_ = std::move(from);
  OSVM_CHECK(e->restore(saved));
  return std::shared_ptr<engine>(std::move(e));
}

result<void> in_process_engine::restore(const saved_instance& saved) {
  const auto vm_begin = wait_clock::now();
  OSVM_CHECK(check_stub());
  state_->xstate = {.features = system_->guest_xcr0(), .size = system_->guest_xstate_size()};
  OSVM_TRY(const auto m, make_machine(false));
  const auto memory_begin = wait_clock::now();
  OSVM_TRY(origin_files_, open_backings(saved, *m));
  OSVM_CHECK(m->memory().load(saved.memory, origin_files_));
  if (facts_.tsc_direct && facts_.tsc_khz != 0) m->start_clock(map_vdso(m->memory()));
  OSVM_CHECK(restore_process(saved, *m));
  next_id_ = saved.next_id;
  for (std::size_t n = 1; n < saved.process.threads.size(); ++n) {
    if (!admit_thread()) return error(osvm::errc::limit_exceeded, "the thread budget");
  }
  const auto vcpu_begin = wait_clock::now();
  phases_.vm = memory_begin - vm_begin;
  phases_.memory = vcpu_begin - memory_begin;
  begin_wall_time(vcpu_begin);
  return start_main([&] { return main_->start_saved(m, saved.process.threads, wall_end_); });
}

// Of a template that was read from a disk.
result<std::vector<std::shared_ptr<const file_backing>>> in_process_engine::open_backings(
    const saved_instance& saved, machine& m) {
  std::vector<std::shared_ptr<const file_backing>> files;
  call_context ctx{*state_, main_->state(), m.memory(), main_->first_thread(), {}};
  for (const saved_backing& b : saved.memory.backings) {
    OSVM_TRY(auto file, restore_backing(ctx, b));
    files.push_back(std::move(file));
  }
  return files;
}

result<void> in_process_engine::restore_process(const saved_instance& saved, machine& m) {
  restore_state(main_->state(), saved.process);
  for (int n = 0; n < 3; ++n) given_[static_cast<std::size_t>(n)] = main_->state().descriptors.get(n);
  call_context ctx{*state_, main_->state(), m.memory(), main_->first_thread(), {}};
  OSVM_CHECK(restore_descriptors(ctx, saved.process.descriptors));
  const auto limit = saved.process.limits[RLIMIT_NOFILE].rlim_cur;
  if (limit < state_->budgets.descriptors) main_->state().descriptors.lower(static_cast<unsigned>(limit));
  return {};
}

// threads_lock_ is held.
std::int64_t guest_process::start_saved_thread(const saved_thread& s) {
  auto t = std::make_shared<task>(s.tid);
  auto slot = machine_->take_cpu();
  if (!slot) return -EAGAIN;
  t->slot = std::move(*slot);
  t->guest.signals.blocked = s.blocked;
  t->guest.signals.stack = s.stack;
  t->guest.robust_list = s.robust_list;
  std::memcpy(t->guest.name, s.name.data(), s.name.size());
  thread_start how;
  how.regs = s.user;
  how.fs_base = s.fs_base;
  how.gs_base = s.gs_base;
  how.clear_child_tid = s.clear_child_tid;
  if (!t->slot->cpu.set_xsave(s.xstate) || !load_start(*t, how)) {
    machine_->give_back(std::move(t->slot));
    return -EPERM;
  }
  return launch(std::move(t));
}

// No thread of the clone meets another that does not exist yet: the lock is held until all do.
result<void> guest_process::start_saved(std::shared_ptr<machine> m, const std::vector<saved_thread>& threads,
                                        deadline wall_end) {
  wall_end_ = wall_end;
  std::int64_t failed = 0;
  std::size_t launched = 0;
  {
    const std::scoped_lock lock(threads_lock_);
    machine_ = std::move(m);
    first_.reset();
    for (const saved_thread& s : threads) {
      if (const auto r = start_saved_thread(s); r < 0) failed = r;
      if (failed < 0) break;
      ++launched;
    }
  }
  if (failed == 0) return {};
  if (launched > 0) {  // a part of it runs: it ends as a guest does
    exit_report r;
    r.cause = exit_cause::failed;
    r.detail = "a thread of the clone could not be started";
    exit(std::move(r));
    return {};
  }
  return errno_error("starting a clone's threads", static_cast<int>(-failed));
}

}  // namespace osvm::unikernel
