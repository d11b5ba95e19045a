// The engine that runs VMs in the caller's process: system calls are served by the guests' own vCPU threads
// (guest_process.hpp).
//
// Locks: processes_lock_ (registry), those of ending_ and listeners_. None is held while another is taken,
// except processes_lock_ -> a process's registry of threads; snapshot_lock_ comes before all others.
#pragma once

#include "kvm/system.hpp"
#include "unikernel/elf/image_data.hpp"
#include "unikernel/engine/engine_base.hpp"
#include "unikernel/engine/guest_process.hpp"
#include "unikernel/exitless/poller.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/instance_state.hpp"

#include <osvm/vsock/hybrid.hpp>

#include <pthread.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace osvm::unikernel {

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

class in_process_engine final : public engine_base, private instance_host, private process_owner {
 public:
  static result<std::shared_ptr<engine>> create(executor ex, const image& program,
                                                const instance_options& options,
                                                const engine_setup& setup = {});
  // An instance that goes on where a template stood.
  static result<std::shared_ptr<engine>> spawn(executor ex, std::shared_ptr<const saved_instance> saved,
                                               const instance_options& options);
  in_process_engine(executor ex, image program, const instance_options& options);
  ~in_process_engine() override;

  void kill() noexcept override;
  result<void> signal(int number) override;
  std::string take_output(int descriptor) override;
  result<learned_policy> learned() const override;
  instance_stats stats() const override;
  std::string isolation_report() const override;
  result<std::shared_ptr<const saved_instance>> snapshot(std::chrono::nanoseconds timeout) override;
  result<void> dump_core(int file, std::chrono::nanoseconds timeout) override;
  result<void> debug(int connection) override;
  result<void> reset(std::chrono::nanoseconds timeout) override;
  result<call_answer> call(std::string_view function, std::string_view request,
                           const call_options& options) override;
  result<void> wait_ready(std::chrono::nanoseconds timeout) override;
  void shut_down() noexcept override;

 private:
  static result<void> check_options(const instance_options& options);
  // Creation, in order.
  result<void> boot(const instance_options& options, const engine_setup& setup);
  result<void> open_host(const instance_options& options, const engine_setup& setup);
  result<void> start_guest(const instance_options& options);
  result<void> check_stub() const;
  void begin_wall_time(wait_clock::time_point now);
  result<void> start_main(const std::function<result<void>()>& launch);
  // Templates (spawning.cpp)
  result<void> check_snapshot() const;
  result<std::shared_ptr<const saved_instance>> save();
  result<void> restore(const saved_instance& saved);
  result<std::vector<std::shared_ptr<const file_backing>>> open_backings(const saved_instance& saved,
                                                                         machine& m);
  result<void> restore_process(const saved_instance& saved, machine& m);
  host_access access_of(const instance_options& options) const;
  void open_recorder();
  budgets used_budgets() const;
  result<void> open_files(const instance_options& options);
  result<void> open_sockets(const instance_options& options);
  result<void> open_poller(const instance_options& options);

  result<void> become_saved();

  // instance_host
  void end(exit_report report) override;
  void listening(const unikernel::listener& which) override;
  std::int64_t listen_vsock(std::uint32_t port, std::shared_ptr<vsock::fd_queue> queue) override;
  void unlisten_vsock(std::uint32_t port) override;
  std::string tcp_socket_path(std::uint16_t port) const override;
  std::string vsock_path() const override;
  // process_owner
  instance_state& instance() noexcept override { return *state_; }
  const kvm::host_facts& facts() const noexcept override { return facts_; }
  call_poller* poller() noexcept override { return poller_.get(); }
  result<std::shared_ptr<machine>> make_machine() override { return make_machine(false); }
  deadline wall_end() const noexcept override { return wall_end_; }
  std::chrono::nanoseconds total_cpu_time() const override;
  unsigned total_threads() const noexcept override { return threads_.load(std::memory_order_relaxed); }
  bool admit_thread() noexcept override;
  void reap() noexcept override;
  void thread_left(pthread_t handle, std::chrono::nanoseconds cpu) noexcept override;
  int next_id() noexcept override { return next_id_.fetch_add(1); }
  void count_exit() noexcept override { exits_.fetch_add(1, std::memory_order_relaxed); }
  void count_page_fault() noexcept override { page_faults_.fetch_add(1, std::memory_order_relaxed); }
  void first_entry() noexcept override;
  bool ended() const noexcept override { return ended_.load(std::memory_order_acquire); }
  bool adopt(std::shared_ptr<guest_process> process) override;
  void gone(const guest_process& process, const exit_report& report) noexcept override;
  bool wants_core() const noexcept override { return core_.get() >= 0 && !core_written_.load(); }
  bool begin_core(std::chrono::nanoseconds patience) override;
  void write_core(guest_process& process, std::vector<saved_thread> threads, int signal) override;

  result<std::shared_ptr<machine>> make_machine(bool rings);
  std::vector<std::shared_ptr<guest_process>> all_processes() const;
  void finish() noexcept;
  void join_all() noexcept;

  image image_;
  instance_options options_;  // as given; stdio descriptors are not used after boot
  policy given_policy_;       // before learning::allow_all widened it
  kvm::host_facts facts_;
  std::optional<kvm::system> system_;
  std::uint32_t id_ = 0;  // random, in socket names
  std::unique_ptr<instance_state> state_;
  std::unique_ptr<call_poller> poller_;  // null: not asked for
  deadline wall_end_;
  boot_phases phases_;                                   // written during creation only
  std::atomic<std::int64_t> start_ns_{0}, total_ns_{0};  // the first guest thread's part of them
  std::vector<library_grant> granted_;                   // set once, before the guest runs
  std::vector<library_refusal> refused_;
  std::chrono::steady_clock::time_point created_;
  std::atomic<std::uint64_t> exits_{0}, page_faults_{0};

  std::timed_mutex snapshot_lock_;  // one snapshot, debugger or core dump at a time
  std::atomic<bool> debugged_{false};
  unique_fd core_;  // set before the guest runs; empty: no core dump is asked for
  std::atomic<bool> core_written_{false};
  // Of a clone: what it was made from, with the files that it maps, and the descriptors that it was given.
  std::shared_ptr<const saved_instance> origin_;
  std::vector<std::shared_ptr<const file_backing>> origin_files_;
  std::array<std::shared_ptr<descriptor>, 3> given_;
  std::shared_ptr<guest_process> main_;  // the first process, as long as the engine
  mutable std::mutex processes_lock_;
  std::map<int, std::shared_ptr<guest_process>> processes_;  // alive, by pid
  std::vector<pthread_t> finished_;                          // to be joined
  std::chrono::nanoseconds finished_cpu_{0};
  bool started_ = false;
  std::atomic<int> next_id_{guest_pid + 1};
  std::atomic<unsigned> threads_{1}, most_threads_{1};  // alive at once, of all processes
  std::atomic<bool> ended_{false};

  std::optional<vsock::hybrid_listener> hybrid_;
};

}  // namespace osvm::unikernel
