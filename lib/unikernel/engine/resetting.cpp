// A clone becomes again what its template was, in the same VM: its threads stand still meanwhile.
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/engine/in_process.hpp"
#include "unikernel/snapshot/descriptors.hpp"
#include "unikernel/snapshot/restored_state.hpp"

#include <algorithm>
#include <cstring>

namespace osvm::unikernel {

result<void> guest_process::become(const std::vector<saved_thread>& threads) {
  const std::scoped_lock lock(threads_lock_);
  {
    const std::scoped_lock gate(gate_.lock);
    for (auto& [tid, t] : tasks_) {
      const auto as = std::find_if(threads.begin(), threads.end(),
                                   [tid = tid](const saved_thread& s) { return s.tid == tid; });
      if (as == threads.end()) {
        t->guest.clear_child_tid = t->guest.robust_list = 0;  // words of a memory that is no more
        t->dismissed = true;
        t->guest.wait.interrupt();
        continue;
      }
      if (!t->standing) return cannot_snapshot("the state of a thread cannot be replaced");
      t->standing = std::make_shared<const saved_thread>(*as);
      t->edited = true;
      t->guest.signals.saved.reset();
      t->guest.clear_child_tid = as->clear_child_tid;
      t->guest.robust_list = as->robust_list;
      std::memcpy(t->guest.name, as->name.data(), as->name.size());
    }
  }
  for (const saved_thread& s : threads) {
    if (const auto it = tasks_.find(s.tid); it != tasks_.end()) {
      state_.signals.set_stack(it->second->guest, s.stack);
      state_.signals.set_blocked(it->second->guest, s.blocked);
      continue;
    }
    if (!owner_.admit_thread()) return error(osvm::errc::limit_exceeded, "the thread budget");
    if (const auto r = start_saved_thread(s); r < 0)
      return errno_error("a thread of a clone", static_cast<int>(-r));
  }
  return {};
}

result<void> engine::reset(std::chrono::nanoseconds) {
  return cannot_snapshot("it runs in a worker process");
}

// All threads stand still. An error leaves the guest neither here nor there.
result<void> in_process_engine::become_saved() {
  process_state& process = main_->state();
  machine& m = *main_->current_machine();
  // Before anything is opened anew: listeners get the names that they have.
  for (const int number : process.descriptors.numbers()) {
    if (const auto d = process.descriptors.remove(number)) process.locks.closed(d->host);
  }
  for (int n = 0; n < 3; ++n) {
    const auto& d = given_[static_cast<std::size_t>(n)];
    if (d && process.descriptors.put(n, d, false) < 0) return cannot_snapshot("its descriptors");
  }
  process.signals.discard_all();
  restore_state(process, origin_->process);
  OSVM_CHECK(m.memory().reload(origin_->memory, origin_files_));
  guest_thread nobody(0);
  call_context ctx{*state_, process, m.memory(), nobody, {}};
  OSVM_CHECK(restore_descriptors(ctx, origin_->process.descriptors));
  return main_->become(origin_->process.threads);
}

result<void> in_process_engine::reset(std::chrono::nanoseconds timeout) {
  if (!origin_) return cannot_snapshot("it was not made from a template");
  const auto until = wait_clock::now() + std::min<std::chrono::nanoseconds>(timeout, std::chrono::hours(24));
  const std::unique_lock alone(snapshot_lock_, until);
  if (!alone) return error(osvm::errc::timed_out, "a snapshot is being made, or a debugger is attached");
  OSVM_CHECK(check_snapshot());
  OSVM_CHECK(main_->pause(until));
  if (auto standing = check_snapshot(); !standing) {
    main_->resume();
    return standing;
  }
  auto done = become_saved();
  if (!done) {
    exit_report r;
    r.cause = exit_cause::failed;
    r.detail = "a reset failed: " + done.error().to_string();
    end(std::move(r));
  }
  state_->calls.forget_taken();
  main_->resume();
  return done;
}

}  // namespace osvm::unikernel
