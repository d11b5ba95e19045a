// A debugger's hand on a process: which threads stand, with what registers, and what they go on with.
//
// A thread that meets a breakpoint, a step or a fatal signal stops by itself (tell_debugger) and wakes the
// session, which then makes all others stand. Breakpoints are INT3 in the guest's memory; steps are
// RFLAGS.TF.
#include "unikernel/debug/session.hpp"
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/engine/in_process.hpp"
#include "unikernel/files/tree.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace osvm::unikernel {
namespace {

constexpr std::byte breakpoint_instruction{0xCC};
constexpr unsigned breakpoint_vector = 3;
constexpr auto stand_patience = std::chrono::seconds(10);

}  // namespace

void guest_process::wake_debugger() const noexcept {
  if (gate_.debugger >= 0) (void)::eventfd_write(gate_.debugger, 1);
}

guest_process::verdict guest_process::tell_debugger(task& t, const kvm::registers& user, int signal) {
  {
    const std::scoped_lock lock(gate_.lock);
    if (gate_.debugger < 0) return verdict::unasked;
  }
  auto state = save_thread(t, user);
  {
    const std::scoped_lock lock(gate_.lock);
    if (!state || gate_.debugger < 0) return verdict::unasked;
    t.trapped = signal;
    t.passed = 0;
  }
  const auto now = stand(t, std::move(state));
  if (now) go_on_with(t, *now);
  if (t.passed == signal && !now) return verdict::deliver;
  if (t.passed != 0) {
    siginfo_t info{};
    info.si_signo = t.passed;
    (void)state_.signals.send_to(t.guest.tid, info);
  }
  return now ? verdict::replaced : verdict::goes_on;
}

// A child's copy of the memory has no debugger.
void guest_process::lift_breakpoints(address_space& copy) {
  const std::scoped_lock lock(gate_.lock);
  for (const auto& [va, byte] : gate_.breakpoints) (void)copy.patch(va, std::span(&byte, 1));
}

// Locks, in this order: threads_lock_, the gate's. Constructed by attach() of a process that runs.
class process_debugger final : public debug_target {
 public:
  process_debugger(guest_process& process, instance_state& instance, std::function<void()> kill,
                   std::function<std::optional<exit_report>()> ended)
      : process_(process), instance_(instance), kill_(std::move(kill)), ended_(std::move(ended)) {}
  ~process_debugger() override { detach(); }

  result<void> attach() {
    event_ = unique_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event_) return errno_error("eventfd");
    {
      const std::scoped_lock lock(process_.gate_.lock);
      process_.gate_.debugger = event_.get();
    }
    return interrupt();
  }

  int pid() const override { return process_.pid(); }
  const xstate_layout& layout() const override { return instance_.xstate; }
  int event() const override { return event_.get(); }
  std::optional<exit_report> ended() override { return ended_(); }
  void kill() override { kill_(); }

  std::vector<int> threads() override {
    const std::scoped_lock lock(process_.threads_lock_);
    std::vector<int> all;
    for (const auto& [tid, t] : process_.tasks_) all.push_back(tid);
    return all;
  }

  std::shared_ptr<const saved_thread> thread(int tid) override {
    const std::scoped_lock lock(process_.threads_lock_, process_.gate_.lock);
    const auto it = process_.tasks_.find(tid);
    return it == process_.tasks_.end() ? nullptr : it->second->standing;
  }

  std::string thread_name(int tid) override {
    const auto t = thread(tid);
    if (t && t->name[0] != '\0') return {t->name.data(), ::strnlen(t->name.data(), t->name.size())};
    const std::string path = process_.state().executable();
    return path.substr(path.rfind('/') + 1);
  }

  bool change_thread(const saved_thread& now) override {
    if (!kvm::user_canonical(now.user.rip) || !kvm::user_canonical(now.fs_base) ||
        !kvm::user_canonical(now.gs_base))
      return false;
    const std::scoped_lock lock(process_.threads_lock_, process_.gate_.lock);
    const auto it = process_.tasks_.find(now.tid);
    if (it == process_.tasks_.end() || !it->second->standing) return false;
    edit(*it->second, now);
    return true;
  }

  std::size_t read(std::uint64_t va, std::span<std::byte> out) override {
    const auto m = process_.current_machine();
    const std::size_t n = m->memory().peek(va, out);
    const std::scoped_lock lock(process_.gate_.lock);
    for (const auto& [at, byte] : process_.gate_.breakpoints)
      if (at >= va && at - va < n) out[at - va] = byte;
    return n;
  }

  bool write(std::uint64_t va, std::span<const std::byte> in) override {
    const auto m = process_.current_machine();
    if (!m->memory().patch(va, in)) return false;
    const std::scoped_lock lock(process_.gate_.lock);
    for (auto& [at, byte] : process_.gate_.breakpoints) {
      if (at < va || at - va >= in.size()) continue;
      byte = in[at - va];
      (void)m->memory().patch(at, std::span(&breakpoint_instruction, 1));
    }
    return true;
  }

  bool add_breakpoint(std::uint64_t va) override {
    const auto m = process_.current_machine();
    const std::scoped_lock lock(process_.gate_.lock);
    if (process_.gate_.breakpoints.contains(va)) return true;
    std::byte old{};
    if (m->memory().peek(va, std::span(&old, 1)) != 1 ||
        !m->memory().patch(va, std::span(&breakpoint_instruction, 1)))
      return false;
    process_.gate_.breakpoints.emplace(va, old);
    return true;
  }

  bool remove_breakpoint(std::uint64_t va) override {
    const auto m = process_.current_machine();
    const std::scoped_lock lock(process_.gate_.lock);
    const auto node = process_.gate_.breakpoints.extract(va);
    return node.empty() || m->memory().patch(va, std::span(&node.mapped(), 1));
  }

  std::vector<std::uint64_t> auxiliary() override { return process_.state().auxiliary(); }

  std::string executable() override {
    const std::string path = process_.state().executable();
    const int fd = open_file(path);
    if (fd < 0) return {};
    ::close(fd);
    return path;
  }

  int open_file(const std::string& path) override {
    const auto m = process_.current_machine();
    guest_thread nobody(0);
    call_context ctx{instance_, process_.state(), m->memory(), nobody, {}};
    location at;
    if (const auto r = instance_.files->find(ctx, "/", path, true, at); r < 0) return static_cast<int>(r);
    if (at.where != place::mounted || !at.object || !S_ISREG(at.status.st_mode)) return -ENOENT;
    const auto file = open_found(at, path);
    return file ? ::fcntl((*file)->get(), F_DUPFD_CLOEXEC, 0) : -EACCES;
  }

  result<void> interrupt() override { return process_.pause(wait_clock::now() + stand_patience); }

  std::optional<debug_stop> take_stop() override {
    eventfd_t ignored = 0;
    (void)::eventfd_read(event_.get(), &ignored);
    if (!any_trapped() || !interrupt()) return std::nullopt;
    return settle();
  }

  void resume(std::span<const debug_resume> how) override {
    std::vector<std::pair<int, int>> signals;
    {
      const std::scoped_lock lock(process_.threads_lock_, process_.gate_.lock);
      if (pending_) {  // another thread's stop is told first; nothing has run
        if (const auto it = process_.tasks_.find(told_); it != process_.tasks_.end()) {
          const auto r = action_of(*it->second, how);
          it->second->passed = r == how.end() ? 0 : r->signal;
          it->second->trapped = 0;
        }
        (void)::eventfd_write(event_.get(), 1);
        return;
      }
      for (auto& [tid, t] : process_.tasks_) let_go(*t, how, signals);
      process_.gate_.wanted = false;
      process_.gate_.changed.notify_all();
    }
    for (const auto& [tid, number] : signals) {
      siginfo_t info{};
      info.si_signo = number;
      (void)process_.state().signals.send_to(tid, info);
    }
  }

 private:
  using task = guest_process::task;

  static void edit(task& t, const saved_thread& now) {
    t.standing = std::make_shared<const saved_thread>(now);
    t.edited = true;
  }

  bool any_trapped() {
    const std::scoped_lock lock(process_.threads_lock_, process_.gate_.lock);
    return std::any_of(process_.tasks_.begin(), process_.tasks_.end(),
                       [](const auto& t) { return t.second->trapped != 0; });
  }

  // All stand: which stop is told. Others that a breakpoint or a step made are made again when they go on.
  std::optional<debug_stop> settle() {
    const std::scoped_lock lock(process_.threads_lock_, process_.gate_.lock);
    std::optional<debug_stop> told;
    pending_ = false;
    for (auto& [tid, t] : process_.tasks_) {
      const bool stepped = std::exchange(t->stepping, false);
      if (!t->standing) continue;
      const bool by_int3 = t->trapped == SIGTRAP && t->trap.number == breakpoint_vector;
      const bool ours = by_int3 && process_.gate_.breakpoints.contains(t->standing->user.rip - 1);
      if (stepped || ours) {
        saved_thread now = *t->standing;
        now.user.rflags &= ~(stepped ? kvm::rflags::tf : 0);
        if (ours) --now.user.rip;
        edit(*t, now);
      }
      if (t->trapped == 0) continue;
      if (!told) {
        told = debug_stop{tid, t->trapped, ours};
      } else if (ours || (t->trapped == SIGTRAP && !by_int3)) {
        t->trapped = 0;
      } else {
        pending_ = true;
      }
    }
    told_ = told ? told->tid : 0;
    return told;
  }

  static std::span<const debug_resume>::iterator action_of(const task& t, std::span<const debug_resume> how) {
    return std::find_if(how.begin(), how.end(),
                        [&](const debug_resume& one) { return one.tid == 0 || one.tid == t.guest.tid; });
  }

  // The locks are held.
  void let_go(task& t, std::span<const debug_resume> how, std::vector<std::pair<int, int>>& signals) {
    const auto r = action_of(t, how);
    t.guest.wait.clear_pause();
    t.held = r == how.end();
    if (t.held) {
      if (t.trapped) t.trapped = 0;
      return;
    }
    if (r->step && t.standing) {
      saved_thread now = *t.standing;
      now.user.rflags |= kvm::rflags::tf;
      edit(t, now);
      t.stepping = true;
    }
    if (t.trapped) {
      t.passed = r->signal;
      t.trapped = 0;
    } else if (r->signal) {
      signals.emplace_back(t.guest.tid, r->signal);
    }
  }

  void detach() {
    {
      const std::scoped_lock lock(process_.threads_lock_, process_.gate_.lock);
      process_.gate_.debugger = -1;
      const auto& m = process_.machine_;
      for (const auto& [va, byte] : process_.gate_.breakpoints)
        if (m) (void)m->memory().patch(va, std::span(&byte, 1));
      process_.gate_.breakpoints.clear();
      for (auto& [tid, t] : process_.tasks_) {
        // A signal that was told and not answered takes its course.
        t->passed = t->trapped == SIGTRAP ? 0 : t->trapped;
        t->trapped = 0;
        t->held = false;
        if (std::exchange(t->stepping, false) && t->standing) {
          saved_thread now = *t->standing;
          now.user.rflags &= ~kvm::rflags::tf;
          edit(*t, now);
        }
      }
    }
    process_.resume();
  }

  guest_process& process_;
  instance_state& instance_;
  const std::function<void()> kill_;
  const std::function<std::optional<exit_report>()> ended_;
  unique_fd event_;
  int told_ = 0;          // whose stop was told last
  bool pending_ = false;  // another one is to be told
};

result<void> engine::debug(int) {
  return error(errc::debugger_unsupported, "it runs in a worker process");
}

result<void> in_process_engine::debug(int connection) {
  if (poller_) return error(errc::debugger_unsupported, "it has exitless calls");
  if (main_->state().signals.stopped()) return error(errc::debugger_unsupported, "it is stopped by a signal");
  const std::unique_lock alone(snapshot_lock_, stand_patience);
  if (!alone) return error(osvm::errc::timed_out, "another debugger is attached");
  if (ended_.load()) return error(osvm::errc::closed, "the guest has ended");
  debugged_ = true;
  const auto leave = std::shared_ptr<void>(nullptr, [this](void*) { debugged_ = false; });
  process_debugger target(
      *main_, *state_, [this] { kill(); }, [this] { return ending_.decided(); });
  OSVM_CHECK(target.attach());
  return serve_debugger(target, connection);
}

}  // namespace osvm::unikernel
