// Core dumps: of a guest that goes on, and of the first process that a fault or a signal ends.
#include "unikernel/debug/core_file.hpp"
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/engine/in_process.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace osvm::unikernel {
namespace {

constexpr auto core_patience = std::chrono::seconds(5);
constexpr auto turn_patience = std::chrono::milliseconds(20);

// Whose default action is a core dump (signal(7)).
constexpr signal_mask dumping_signals = signal_bit(SIGQUIT) | signal_bit(SIGILL) | signal_bit(SIGTRAP) |
                                        signal_bit(SIGABRT) | signal_bit(SIGBUS) | signal_bit(SIGFPE) |
                                        signal_bit(SIGSEGV) | signal_bit(SIGXCPU) | signal_bit(SIGXFSZ) |
                                        signal_bit(SIGSYS);

core_facts facts_of(guest_process& process, const instance_state& instance, std::vector<saved_thread> threads,
                    int signal) {
  core_facts f;
  f.threads = std::move(threads);
  f.pid = process.pid();
  f.signal = signal;
  f.executable = process.state().executable();
  f.arguments = process.state().arguments();
  f.auxiliary = process.state().auxiliary();
  f.xstate_features = instance.xstate.features;
  f.xstate_size = instance.xstate.size;
  return f;
}

}  // namespace

// On the thread that dies, which counts as standing meanwhile.
void guest_process::dump_core(task& t, const kvm::registers& user, int signal) {
  if (!owner_.wants_core() || !(dumping_signals & signal_bit(signal)) || ended_.load()) return;
  const auto state = save_thread(t, user);
  if (!state) return;
  while (!owner_.begin_core(turn_patience)) {
    if (!owner_.wants_core() || ended_.load()) return;
    if (pause_wanted()) stand(t, state);
  }
  {
    const std::scoped_lock lock(gate_.lock);
    t.standing = state;
    ++gate_.standing;
  }
  std::vector<saved_thread> threads;
  if (pause(wait_clock::now() + core_patience)) {
    if (auto all = saved_threads()) threads = std::move(*all);
    const auto mine = std::find_if(threads.begin(), threads.end(),
                                   [&](const saved_thread& s) { return s.tid == t.guest.tid; });
    if (mine != threads.end()) std::iter_swap(threads.begin(), mine);
  }
  // Also without the others: what of them cannot be had is not worth the dead thread's own state.
  if (threads.empty()) threads.push_back(*state);
  owner_.write_core(*this, std::move(threads), signal);
  {
    const std::scoped_lock lock(gate_.lock);
    --gate_.standing;
    t.standing.reset();
  }
  resume();
}

result<void> engine::dump_core(int, std::chrono::nanoseconds) {
  return error(errc::debugger_unsupported, "it runs in a worker process");
}

// False: not now, or no more.
bool in_process_engine::begin_core(std::chrono::nanoseconds patience) {
  if (!snapshot_lock_.try_lock_for(patience)) return false;
  if (!core_written_.exchange(true)) return true;
  snapshot_lock_.unlock();
  return false;
}

void in_process_engine::write_core(guest_process& process, std::vector<saved_thread> threads, int signal) {
  const auto m = process.current_machine();
  const auto written =
      unikernel::write_core(core_.get(), m->memory(), facts_of(process, *state_, std::move(threads), signal));
  // Half a core is worse than none: whoever finds an empty file knows.
  if (!written) (void)::ftruncate(core_.get(), 0);
  snapshot_lock_.unlock();
}

result<void> in_process_engine::dump_core(int file, std::chrono::nanoseconds timeout) {
  const auto until = wait_clock::now() + std::min<std::chrono::nanoseconds>(timeout, std::chrono::hours(24));
  if (poller_) return error(errc::debugger_unsupported, "it has exitless calls");
  if (main_->state().signals.stopped()) return error(errc::debugger_unsupported, "it is stopped by a signal");
  const std::unique_lock alone(snapshot_lock_, until);
  if (!alone) return error(osvm::errc::timed_out, "a snapshot is being made, or a debugger is attached");
  OSVM_CHECK(main_->pause(until));
  auto threads = main_->saved_threads();
  result<void> done;
  if (threads) {
    done = unikernel::write_core(file, main_->current_machine()->memory(),
                                 facts_of(*main_, *state_, std::move(*threads), 0));
  } else {
    done = threads.error();
  }
  main_->resume();
  return done;
}

}  // namespace osvm::unikernel
