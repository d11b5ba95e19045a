// The engine that runs a VM in the caller's process: system calls are served by the guest's own vCPU threads.
//
// Threads: one host thread per guest thread. They block all signals; the kick signal is let in only inside
// KVM_RUN. Locks: threads_lock_ (task registry), those of ending_ and listeners_. None is held while another
// is taken, except threads_lock_ -> address space locks when a vCPU is made.
#pragma once

#include "kvm/system.hpp"
#include "kvm/vcpu.hpp"
#include "kvm/vm.hpp"
#include "unikernel/elf/image_data.hpp"
#include "unikernel/engine/engine_base.hpp"
#include "unikernel/engine/faults.hpp"
#include "unikernel/engine/timers.hpp"
#include "unikernel/exitless/poller.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/instance_state.hpp"
#include "unikernel/vdso/vdso.hpp"

#include <osvm/vsock/hybrid.hpp>

#include <pthread.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace osvm::unikernel {

// The real-time signal that interrupts KVM_RUN. Blocked in guest threads, never handled.
int kick_signal() noexcept;

// What of the host an instance keeps using once its guest runs.
struct host_access {
  std::vector<file_root> files;                           // borrowed descriptors
  std::string socket_dir;                                 // empty: none
  std::vector<std::string> unix_listeners, unix_targets;  // host paths
  std::vector<std::uint16_t> ports;  // of TCP endpoints that the guest was granted; none: no network
};

// For who runs an engine in a process of its own.
struct engine_setup {
  std::optional<std::uint32_t> id;  // in socket names; none: random
  // Called once all host paths are open and before the first thread starts: nothing of the guest has run. An
  // error ends the creation.
  std::function<result<void>(const host_access&)> before_threads;
};

class in_process_engine final : public engine_base, private instance_host, private slot_installer {
 public:
  static result<std::shared_ptr<engine>> create(executor ex, const image& program,
                                                const instance_options& options,
                                                const engine_setup& setup = {});
  in_process_engine(executor ex, image program, const instance_options& options);
  ~in_process_engine() override;

  void kill() noexcept override;
  result<void> signal(int number) override;
  std::string take_output(int descriptor) override;
  result<learned_policy> learned() const override;
  instance_stats stats() const override;
  std::string isolation_report() const override;
  void shut_down() noexcept override;

 private:
  // A vCPU and its interrupt stack. KVM cannot delete vCPUs, so they are kept for the next guest thread.
  struct cpu_slot {
    kvm::vcpu cpu;
    const std::byte* interrupt_stack = nullptr;
    kvm::stub_place stub;
    kvm::ring_slot* ring = nullptr;
  };
  struct task {
    explicit task(int tid) : guest(tid) {}
    guest_thread guest;
    std::unique_ptr<cpu_slot> slot;
    pthread_t handle{};
    in_process_engine* owner = nullptr;
    std::shared_ptr<ring_member> ring;  // null: every call comes out
    std::uint64_t last_fault_address = 0, last_fault_rip = 0;
    unsigned repeated_faults = 0;
    unsigned host_faults = 0;
    trap_facts trap;           // of the last fault: every frame shows it, as in Linux
    bool call_served = false;  // the registers are those of a finished system call
    bool interrupted = false;  // the last exit was a kick
    int exit_status = 0;
  };

  // Creation, in order.
  result<void> boot(const instance_options& options, const engine_setup& setup);
  result<void> open_host(const instance_options& options, const engine_setup& setup);
  result<void> start_guest(const instance_options& options);
  host_access access_of(const instance_options& options) const;
  void open_recorder();
  budgets used_budgets() const;
  result<void> open_vm(const kvm::host_facts& facts);
  result<void> open_files(const instance_options& options);
  result<void> open_sockets(const instance_options& options);
  result<void> open_poller(const instance_options& options);
  result<std::unique_ptr<cpu_slot>> make_cpu();

  // instance_host
  std::int64_t start_thread(const thread_start& how) override;
  void end(exit_report report) override;
  void listening(const unikernel::listener& which) override;
  std::int64_t listen_vsock(std::uint32_t port, std::shared_ptr<vsock::fd_queue> queue) override;
  void unlisten_vsock(std::uint32_t port) override;
  std::string tcp_socket_path(std::uint16_t port) const override;
  std::string vsock_path() const override;
  bool has_thread(int tid) const override;
  std::vector<int> threads() const override;
  std::chrono::nanoseconds cpu_time() const override;
  unsigned thread_count() const override;
  void kick(int tid) override;
  std::optional<std::chrono::nanoseconds> thread_cpu_time(int tid) const override;
  // slot_installer
  result<void> install(std::uint64_t guest_address, void* host_address, std::uint64_t size) override;
  void flush_all() noexcept override;

  // Guest threads
  std::int64_t launch(std::shared_ptr<task> t);
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

  // Calls without an exit (exitless.cpp)
  std::optional<std::int64_t> serve_polled(ring_member& m, const kvm::ring_slot& call);
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
  void load_context(task& t);
  void leave(task& t) noexcept;
  void release_waiters_of(task& t) noexcept;
  void finish() noexcept;
  void reap() noexcept;

  image image_;
  instance_options options_;  // as given; stdio descriptors are not used after boot
  policy given_policy_;       // before learning::allow_all widened it
  kvm::host_facts facts_;
  std::optional<kvm::system> system_;
  kvm::vm vm_;
  std::uint32_t id_ = 0;  // random, in socket names
  unsigned next_slot_ = 0;
  mapping flush_page_;  // see flush_all()
  std::unique_ptr<address_space> memory_;
  std::unique_ptr<instance_state> state_;
  std::unique_ptr<call_poller> poller_;  // null: not asked for
  clock_updater clock_;
  deadline wall_end_;
  boot_phases phases_;                                   // written during creation only
  std::atomic<std::int64_t> start_ns_{0}, total_ns_{0};  // the first guest thread's part of them
  std::vector<library_grant> granted_;                   // set once, before the guest runs
  std::vector<library_refusal> refused_;
  std::chrono::steady_clock::time_point created_;
  std::atomic<std::uint64_t> exits_{0}, page_faults_{0};

  mutable std::mutex threads_lock_;
  std::map<int, std::shared_ptr<task>> tasks_;
  std::vector<std::unique_ptr<cpu_slot>> idle_cpus_;
  std::vector<pthread_t> finished_;
  unsigned next_cpu_ = 0;
  int next_tid_ = guest_pid;
  std::chrono::nanoseconds finished_cpu_{0};
  std::size_t most_threads_ = 1;  // alive at once
  std::atomic<bool> ended_{false};

  std::optional<vsock::hybrid_listener> hybrid_;
};

}  // namespace osvm::unikernel
