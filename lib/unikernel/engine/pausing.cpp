// Standing still: all threads of a process stop between two instructions, so that its state can be read.
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/snapshot/saved_instance.hpp"

#include <csignal>
#include <cstring>
#include <utility>

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

// Until it may go on. What a debugger has made of its state, or null.
std::shared_ptr<const saved_thread> guest_process::stand(task& t, std::shared_ptr<const saved_thread> as) {
  std::unique_lock lock(gate_.lock);
  if (!gate_.wanted && t.trapped == 0) return nullptr;
  t.standing = std::move(as);
  ++gate_.standing;
  gate_.changed.notify_all();
  if (t.trapped != 0) wake_debugger();
  const auto may_go = [&] {
    return (!gate_.wanted && !t.held && t.trapped == 0) || ended_.load() || t.dismissed;
  };
  if (wall_end_) {
    gate_.changed.wait_until(lock, *wall_end_, may_go);  // the thread's loop sees that its time is up
  } else {
    gate_.changed.wait(lock, may_go);
  }
  --gate_.standing;
  t.trapped = 0;
  t.held = false;
  auto now = std::exchange(t.standing, nullptr);
  return std::exchange(t.edited, false) ? now : nullptr;
}

// The state that a debugger gave a thread.
void guest_process::go_on_with(task& t, const saved_thread& now) {
  t.slot->cpu.set_fs_base(now.fs_base);
  t.slot->cpu.set_gs_base(now.gs_base);
  t.guest.fs_base = now.fs_base;
  t.guest.gs_base = now.gs_base;
  if (!t.slot->cpu.set_xsave(now.xstate) || !resume_user(t, now.user)) raise_protection_fault(t, now.user);
}

// Between two exits. In the middle of a stub, or with an exception on its way, the thread comes out again by
// itself.
void guest_process::stand_still(task& t) {
  kvm::registers user;
  if (!user_context(t, user)) return;
  if (const auto now = stand(t, save_thread(t, user))) go_on_with(t, *now);
}

// Inside a call that was stopped and is made again afterwards. True: not this call; the thread has other
// registers.
bool guest_process::stand_still_before(task& t, std::uint64_t number) {
  kvm::registers user = t.slot->cpu.regs();
  user.rip = user.rcx - call_length;
  user.rflags = user.r11;
  user.rax = number;
  const auto now = stand(t, save_thread(t, user));
  if (now) go_on_with(t, *now);
  return now != nullptr;
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
  wake_debugger();
}

void guest_process::wait_for_debugger() {
  const std::scoped_lock gate(gate_.lock);
  gate_.wanted = true;
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
