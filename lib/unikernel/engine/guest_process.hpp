// One process of a guest: its machine, its threads, and the loop in which each of them runs and has its
// system calls served.
//
// Threads: one host thread per guest thread. They block all signals; the kick signal is let in only inside
// KVM_RUN. Locks: threads_lock_ (task registry), and that of gate_. While the first is held only
// the gate's is taken, and the machine's and the address space's when a vCPU is made.
#pragma once

#include "unikernel/engine/faults.hpp"
#include "unikernel/engine/machine.hpp"
#include "unikernel/engine/timers.hpp"
#include "unikernel/exitless/poller.hpp"
#include "unikernel/process/process_state.hpp"
#include "unikernel/process/program.hpp"

#include <pthread.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace osvm::unikernel {

// The real-time signal that interrupts KVM_RUN. Blocked in guest threads, never handled.
int kick_signal() noexcept;

class guest_process;
struct saved_instance;
struct saved_thread;

// What a process needs of the engine whose guest it belongs to. Thread-safe.
class process_owner {
 public:
  virtual ~process_owner() = default;
  virtual instance_state& instance() noexcept = 0;
  virtual const kvm::host_facts& facts() const noexcept = 0;
  virtual call_poller* poller() noexcept = 0;  // null: every call comes out
  virtual result<std::shared_ptr<machine>> make_machine() = 0;
  virtual deadline wall_end() const noexcept = 0;
  virtual std::chrono::nanoseconds total_cpu_time() const = 0;  // of all processes, ended ones included
  virtual unsigned total_threads() const noexcept = 0;
  // Counts one more guest thread; false: the budget is used up. And one less.
  virtual bool admit_thread() noexcept = 0;
  virtual void reap() noexcept = 0;  // joins threads that have ended; no lock of a process is held
  virtual void thread_left(pthread_t handle, std::chrono::nanoseconds cpu) noexcept = 0;
  virtual int next_id() noexcept = 0;  // of a thread or a process
  virtual void count_exit() noexcept = 0;
  virtual void count_page_fault() noexcept = 0;
  virtual void first_entry() noexcept = 0;  // the first thread is about to enter the VM
  // Ends the instance: all processes. The first report wins.
  virtual void end(exit_report report) = 0;
  virtual bool ended() const noexcept = 0;
  // Registers a process that is about to start; false: the instance has ended. And one whose last thread is
  // leaving: the call may be the last that is made on the owner.
  virtual bool adopt(std::shared_ptr<guest_process> process) = 0;
  virtual void gone(const guest_process& process, const exit_report& report) noexcept = 0;
  // Core dumps. wants: one was asked for. begin: true for the first process that asks; the caller stands
  // still meanwhile whenever it is to. write: all of it stands still, the first thread is the one that died.
  virtual bool wants_core() const noexcept = 0;
  virtual bool begin_core(std::chrono::nanoseconds patience) = 0;
  virtual void write_core(guest_process& process, std::vector<saved_thread> threads, int signal) = 0;
};

class guest_process final : public process_host, public std::enable_shared_from_this<guest_process> {
 public:
  guest_process(process_owner& owner, int pid);
  ~guest_process() override;

  process_state& state() noexcept { return state_; }
  int pid() const noexcept { return state_.pid; }
  std::shared_ptr<machine> current_machine() const;
  std::chrono::nanoseconds running_cpu_time() const;

  // The first process, in this order: the context of its program in `m`; its thread.
  result<void> prepare(std::shared_ptr<machine> m, const kvm::registers& regs);
  result<void> start(deadline wall_end);
  void set_image(std::shared_ptr<const detail::image_data> image) { image_ = std::move(image); }
  guest_thread& first_thread() noexcept { return first_->guest; }
  // Ends all its threads, whatever they do. Returns at once.
  void stop() noexcept;

  // Makes all threads stand still between two instructions, and lets them go on. errc::timed_out,
  // errc::closed: they go on by themselves.
  result<void> pause(wait_clock::time_point until);
  void resume() noexcept;
  result<std::vector<saved_thread>> saved_threads();  // of threads that stand still
  // All stand still: threads go on as these did, others end, missing ones are started.
  result<void> become(const std::vector<saved_thread>& threads);
  void wait_for_debugger();  // before start(): its threads stand until resume()
  // The first process of a clone: its threads go on in `m` where those of the template stood.
  result<void> start_saved(std::shared_ptr<machine> m, const std::vector<saved_thread>& threads,
                           deadline wall_end);

  // process_host
  std::int64_t start_thread(const thread_start& how) override;
  std::int64_t start_child(const child_start& how, guest_thread& caller) override;
  std::int64_t run_program(const program_start& what, guest_thread& caller) override;
  void exit(exit_report report) override;
  bool has_thread(int tid) const override;
  std::vector<int> threads() const override;
  std::chrono::nanoseconds cpu_time() const override;
  unsigned thread_count() const override;
  void kick(int tid) override;
  std::optional<std::chrono::nanoseconds> thread_cpu_time(int tid) const override;

  // A call that was found in a ring (exitless.cpp).
  std::optional<std::int64_t> serve_polled(ring_member& m, const kvm::ring_slot& call);

 private:
  friend class process_debugger;
  struct task {
    explicit task(int tid) : guest(tid) {}
    guest_thread guest;
    std::unique_ptr<cpu_slot> slot;
    pthread_t handle{};
    std::shared_ptr<guest_process> owner;  // from launch() to leave()
    std::shared_ptr<ring_member> ring;     // null: every call comes out
    std::uint64_t last_fault_address = 0, last_fault_rip = 0;
    unsigned repeated_faults = 0;
    unsigned host_faults = 0;
    trap_facts trap;                     // of the last fault: every frame shows it, as in Linux
    bool call_served = false;            // the registers are those of a finished system call
    bool interrupted = false;            // the last exit was a kick
    bool replaced = false;               // the call was execve(): the registers are those of a new program
    std::shared_ptr<machine> retired;    // what that call was made in, until it is over
    std::atomic<bool> dismissed{false};  // another thread runs a program: this one ends
    // While it stands still, under the gate's lock. What a debugger has changed is what it goes on with.
    std::shared_ptr<const saved_thread> standing;
    bool edited = false;
    int trapped = 0;  // the signal with which it stopped for the debugger
    int passed = 0;   // of those, what it gets when it goes on
    bool held = false, stepping = false;
    int exit_status = 0;
  };
  // Where a parent waits for its child of vfork() to run a program or end.
  struct awaited_child {
    std::mutex lock;
    waiter* parent = nullptr;  // null: it waits no more
    bool through = false;
  };

  // Guest threads (vcpu_loop.cpp)
  std::int64_t launch(std::shared_ptr<task> t);
  std::int64_t start_admitted(const thread_start& how);
  bool load_start(task& t, const thread_start& how);
  static void* thread_main(void* argument);
  void run(task& t);
  bool handle_exit(task& t, const kvm::exit_info& e);
  bool in_stub(const task& t) const noexcept;
  void serve_call(task& t);
  void serve_exception(task& t, unsigned vector);
  void serve_page_fault(task& t, const kvm::exception_frame& frame);
  bool resume_user(task& t, kvm::registers r);
  void fault(task& t, const kvm::exit_info& e, fault_kind kind);
  bool retry_host_fault(task& t, const kvm::exit_info& e);
  bool finish_call(task& t, std::int64_t value);
  bool end_over_budget();
  void load_context(task& t);
  void leave(task& t) noexcept;
  void release_waiters_of(task& t) noexcept;
  void finish() noexcept;

  // Calls without an exit (exitless.cpp)
  bool answered_late(const task& t) const;
  void settle_stub(task& t);
  void serve_call_outside(task& t);

  // Signals (signal_delivery.cpp)
  bool user_context(const task& t, kvm::registers& out) const;
  bool enter_handler(task& t, kvm::registers& user, const siginfo_t& info, const signal_action& action);
  bool enter_or_fault(task& t, kvm::registers& user, const process_signals::taken& s);
  void end_by_signal(task& t, int signal, const char* detail);
  void wait_until_continued(task& t);
  bool wall_time_is_up() const noexcept { return wall_end_ && wait_clock::now() >= *wall_end_; }
  bool deliver_signals(task& t, std::int64_t stopped, std::uint64_t number);
  void raise_fault(task& t, kvm::registers user, const fault_signal& f, exit_report report);
  void raise_protection_fault(task& t, const kvm::registers& user);

  // Standing still (pausing.cpp)
  struct pause_gate {
    std::mutex lock;
    std::condition_variable changed;
    bool wanted = false;
    unsigned standing = 0;
    int debugger = -1;  // written to when a debugger is to look; -1: there is none
    std::map<std::uint64_t, std::byte> breakpoints;  // the byte that each replaced
    bool dumping = false;
  };
  bool pause_wanted() {
    const std::scoped_lock lock(gate_.lock);
    return gate_.wanted;
  }
  std::shared_ptr<const saved_thread> save_thread(const task& t, const kvm::registers& user) const;
  std::shared_ptr<const saved_thread> stand(task& t, std::shared_ptr<const saved_thread> as);
  void stand_still(task& t);
  bool stand_still_before(task& t, std::uint64_t number);
  void go_on_with(task& t, const saved_thread& now);
  void tell_gate() noexcept;
  std::int64_t start_saved_thread(const saved_thread& s);

  // Debuggers (debugging.cpp), core dumps (core_dumps.cpp)
  enum class verdict : std::uint8_t {
    unasked,  // there is no debugger
    deliver,  // the signal takes its course
    goes_on,  // it does not
    replaced  // the same, with other registers, which are loaded
  };
  verdict tell_debugger(task& t, const kvm::registers& user, int signal);
  void wake_debugger() const noexcept;  // the gate's lock is held
  void lift_breakpoints(address_space& copy);
  void dump_core(task& t, const kvm::registers& user, int signal);

  // Children (forking.cpp)
  std::shared_ptr<guest_process> admit_child(const child_start& how, std::int64_t& refusal);
  std::int64_t build_child(guest_process& child, const child_start& how, guest_thread& caller);
  std::int64_t launch_child(const std::shared_ptr<guest_process>& child);
  result<std::shared_ptr<machine>> machine_for_child(const child_start& how);
  bool prepare_child(guest_process& child, const child_start& how, task& parent);
  void await_child(awaited_child& child, guest_thread& caller);
  void let_parent_go() noexcept;

  // Programs (executing.cpp)
  struct prepared_program {
    std::shared_ptr<machine> next;
    std::unique_ptr<cpu_slot> slot;
    kvm::registers regs;
    std::vector<std::uint64_t> auxiliary;
  };
  std::int64_t prepare_program(const program_start& what, prepared_program& out);
  std::int64_t leave_alone(task& t);
  void enter_program(task& t, const program_start& what, prepared_program& program);

  // What the parent hears (guest_process.cpp)
  void tell_parent(const exit_report& report) noexcept;
  void tell_change(int signal);  // stopped by it; 0: continued

  address_space& memory() const noexcept { return machine_->memory(); }
  task& task_of(const guest_thread& g);

  process_owner& owner_;
  instance_state& instance_;
  const kvm::host_facts& facts_;
  process_state state_;
  deadline wall_end_;
  // Written under threads_lock_ by the only thread that the process then has.
  std::shared_ptr<machine> machine_;
  std::shared_ptr<const detail::image_data> image_;
  std::shared_ptr<awaited_child> awaited_;  // its parent waits for it
  bool memory_is_parents_ = false;          // CLONE_VM, until it runs a program

  mutable std::mutex threads_lock_;
  std::map<int, std::shared_ptr<task>> tasks_;
  std::atomic<unsigned> running_threads_{0};  // their number, for who must not take the lock
  std::atomic<unsigned> present_threads_{0};  // and those that are about to be gone
  int last_status_ = 0;                       // of the last of them
  std::shared_ptr<task> first_;               // until start()
  std::chrono::nanoseconds finished_cpu_{0};
  std::optional<exit_report> report_;
  std::atomic<bool> ended_{false}, stop_told_{false};
  pause_gate gate_;
  waiter* alone_ = nullptr;  // who waits to be the only thread: told when one leaves
};

}  // namespace osvm::unikernel
