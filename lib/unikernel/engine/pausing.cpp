// Standing still: all threads of a process stop between two instructions, so that its state can be read.
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/snapshot/saved_instance.hpp"

#include <csignal>
#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t call_length = 2;  // of the SYSCALL instruction

}  // namespace

// What `t` goes on with, if that is `user`.
std::shared_ptr<const saved_thread> guest_process::save_thread(const task& t,
                                                               const kvm::registers& user) const {
  auto s = std::make_shared<saved_thread>();
  s->tid = t.guest.tid;
  s->user = user;
  s->fs_base = t.slot->cpu.fs_base();
  s->gs_base = t.slot->cpu.gs_base();
  s->blocked = t.guest.signals.saved.value_or(t.guest.signals.blocked);
  s->stack = t.guest.signals.stack;
  s->clear_child_tid = t.guest.clear_child_tid;
  s->robust_list = t.guest.robust_list;
  std::memcpy(s->name.data(), t.guest.name, s->name.size());
  return t.slot->cpu.get_xsave(s->xstate) ? s : nullptr;
}

void guest_process::stand(task& t, std::shared_ptr<const saved_thread> as) {
  std::unique_lock lock(gate_.lock);
  if (!gate_.wanted) return;
  t.standing = std::move(as);
  ++gate_.standing;
  gate_.changed.notify_all();
  gate_.changed.wait(lock, [&] { return !gate_.wanted || ended_.load() || t.dismissed; });
  --gate_.standing;
  t.standing.reset();
}

// Between two exits. In the middle of a stub, or with an exception on its way, the thread comes out again by
// itself.
void guest_process::stand_still(task& t) {
  kvm::registers user;
  if (user_context(t, user)) stand(t, save_thread(t, user));
}

// Inside a call that was stopped and is made again afterwards.
void guest_process::stand_still_before(task& t, std::uint64_t number) {
  kvm::registers user = t.slot->cpu.regs();
  user.rip = user.rcx - call_length;
  user.rflags = user.r11;
  user.rax = number;
  stand(t, save_thread(t, user));
}

result<void> guest_process::pause(wait_clock::time_point until) {
  {
    const std::scoped_lock lock(threads_lock_);
    {
      const std::scoped_lock gate(gate_.lock);
      gate_.wanted = true;
    }
    for (auto& [tid, t] : tasks_) {
      t->guest.wait.pause();
      ::pthread_kill(t->handle, kick_signal());
    }
  }
  std::unique_lock lock(gate_.lock);
  const auto still = [&] { return ended_.load() || gate_.standing == running_threads_.load(); };
  const bool in_time = gate_.changed.wait_until(lock, until, still);
  lock.unlock();
  if (in_time && !ended_.load()) return {};
  resume();
  if (!in_time) return error(osvm::errc::timed_out, "a thread of the guest did not come to stand still");
  return error(osvm::errc::closed, "the guest has ended");
}

void guest_process::resume() noexcept {
  const std::scoped_lock lock(threads_lock_);
  for (auto& [tid, t] : tasks_) t->guest.wait.clear_pause();
  const std::scoped_lock gate(gate_.lock);
  gate_.wanted = false;
  gate_.changed.notify_all();
}

void guest_process::tell_gate() noexcept {
  const std::scoped_lock gate(gate_.lock);
  gate_.changed.notify_all();
}

result<std::vector<saved_thread>> guest_process::saved_threads() {
  const std::scoped_lock lock(threads_lock_);
  const std::scoped_lock gate(gate_.lock);  // one that is killed meanwhile goes on
  std::vector<saved_thread> all;
  for (const auto& [tid, t] : tasks_) {
    if (!t->standing) return error(errc::cannot_snapshot, "the state of a thread cannot be read");
    all.push_back(*t->standing);
  }
  return all;
}

}  // namespace osvm::unikernel
