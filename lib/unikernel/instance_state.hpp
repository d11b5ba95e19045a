// What an instance owns besides address spaces: descriptors, policy, budgets, denials, counters, threads'
// registry. Handlers see it through call_context. Thread-safe where not said otherwise.
#pragma once

#include "unikernel/controls.hpp"
#include "unikernel/files/descriptor.hpp"
#include "unikernel/files/locks.hpp"
#include "unikernel/limits.hpp"
#include "unikernel/memory/segments.hpp"
#include "unikernel/signals/process_signals.hpp"
#include "unikernel/signals/timers.hpp"
#include "unikernel/sockets/network.hpp"
#include "unikernel/syscalls/syscall.hpp"
#include "unikernel/thread/futex.hpp"

#include <osvm/unikernel/policy.hpp>
#include <osvm/unikernel/report.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace osvm::vsock {
class fd_queue;
}

namespace osvm::unikernel {

struct guest_thread;
class event_channel;   // lib/unikernel/events/channel.hpp
class usage_recorder;  // lib/unikernel/policy/recorder.hpp
class file_tree;       // lib/unikernel/files/tree.hpp: mounts and the synthetic files, resolved under policy

inline constexpr std::size_t max_syscall_number = 512;
// What a guest is told that its process is, and its first thread: never the host's number.
inline constexpr int guest_pid = 1000;

// What the embedder's side does on behalf of handlers. The engine implements it; the fuzzer has its own.
class instance_host {
 public:
  virtual ~instance_host() = default;
  // clone(): starts a thread with this context. Returns its tid or -errno.
  struct thread_start {
    kvm::registers regs;
    std::uint64_t fs_base = 0, gs_base = 0;
    std::uint64_t clear_child_tid = 0, set_child_tid = 0, set_parent_tid = 0;
    std::uint64_t blocked_signals = 0;
    const guest_thread* parent = nullptr;
  };
  virtual std::int64_t start_thread(const thread_start& how) = 0;
  // exit_group(), fatal signals: ends all threads; the first report wins.
  virtual void end(exit_report report) = 0;
  // A guest listener for a granted port is ready. TCP: `listening` is bound and listening at `where`.
  virtual void listening(const listener& which) = 0;
  // Registers a vsock listener of the guest: connections to `port` are pushed into `queue`, whose receiving
  // end is the guest's descriptor. -errno on failure.
  virtual std::int64_t listen_vsock(std::uint32_t port, std::shared_ptr<vsock::fd_queue> queue) = 0;
  virtual void unlisten_vsock(std::uint32_t port) = 0;
  // Path of the unix socket that stands for a granted guest TCP port; empty: not granted.
  virtual std::string tcp_socket_path(std::uint16_t port) const = 0;
  // Path prefix for connect(cid 2, P): "<prefix>_P"; empty when nothing is granted.
  virtual std::string vsock_path() const = 0;
  virtual bool has_thread(int tid) const = 0;
  virtual std::vector<int> threads() const { return {}; }  // their tids, ascending
  // Makes a thread leave the VM soon, to look at what its waiter says. Any thread may call it.
  virtual void kick(int tid) = 0;
  virtual std::optional<std::chrono::nanoseconds> thread_cpu_time(int tid) const = 0;
  virtual std::chrono::nanoseconds cpu_time() const = 0;  // of all guest threads
  virtual unsigned thread_count() const = 0;
};

// Output kept for the embedder (stdio::capture). Thread-safe.
struct capture_buffer {
  std::mutex lock;
  std::string data;
  std::size_t limit = 0;
  unique_fd room;  // eventfd, readable while `data` is below `limit`: what a writing guest thread waits for

  // What was written since the last call; wakes writers that wait for room.
  std::string take();
  // With `lock` held: the free bytes. When there are none, `room` is made to wait for the next take().
  std::size_t space() noexcept;
};

struct instance_state {
  instance_state(const unikernel::policy& p, const unikernel::budgets& b, instance_host& h)
      : policy(p), budgets(b), host(h), descriptors(b.descriptors), signals([&h](int tid) { h.kick(tid); }) {}

  const unikernel::policy policy;
  const unikernel::budgets budgets;
  instance_host& host;
  [[no_unique_address]] rule_set rules;
  descriptor_table descriptors;
  futex_table futexes;
  guest_network network;  // names of its sockets, connections that policy grants
  lock_table locks;
  segment_table segments;              // System V shared memory
  std::vector<std::string> arguments;  // argv, for /proc/self/cmdline
  std::shared_ptr<file_tree> files;
  std::string executable = "/app";      // what /proc/self/exe names
  std::string working_directory = "/";  // guarded by cwd_lock
  std::mutex cwd_lock;
  std::array<capture_buffer, 3> captured;  // by descriptor 1 and 2
  // Host memory of pipes and the like, shared with the charges that descriptors hold; bounded by the memory
  // budget.
  std::shared_ptr<std::atomic<std::uint64_t>> object_bytes = std::make_shared<std::atomic<std::uint64_t>>(0);
  // Gone before `descriptors` are, so that a socket that closes while the instance ends does not call `host`
  // then.
  std::shared_ptr<void> host_alive = std::make_shared<char>();
  // Where denials, traces and lines of output go; null: nobody asked for any. Set before the guest starts.
  std::shared_ptr<event_channel> events;
  // What the run uses and is denied, when a policy is learned from it; else null. Set before the guest
  // starts.
  std::shared_ptr<usage_recorder> recorder;
  bool everything_allowed = false;  // learning::allow_all
  bool tracing = false;             // every call goes through `events`; set before the guest starts
  std::atomic<std::uint64_t> written_bytes{0};
  std::atomic<std::uint32_t> umask{022};
  std::array<std::atomic<std::uint64_t>, max_syscall_number> syscall_counts{};
  std::atomic<std::uint64_t> unknown_syscalls{0};
  process_signals signals;
  guest_timers timers{signals, host};
  guest_limits limits{budgets.descriptors, budgets.threads, max_queued_signals};
  xstate_layout xstate;  // of the guest's CPUs
  wait_clock::time_point started = wait_clock::now();
  unsigned cpus = 1;  // what the guest is told

  // Counts a denial and returns `error` negated, so handlers write `return ctx.instance.deny(...)`. `what` is
  // guest text (escaped here, bounded); `rule` says what would grant it.
  std::int64_t deny(std::string_view what, std::string_view rule, int error) noexcept;
  std::vector<denial> denials() const;
  // Whether memory may become executable after load. Asking is using.
  bool may_jit() noexcept;
  // Charges bytes that are about to be written below a writable mount; false: budget used up (ENOSPC).
  bool charge_written(std::uint64_t bytes) noexcept;
  void refund_written(std::uint64_t bytes) noexcept {
    written_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  }
  // The same, and what a mount's quota (may be null) grows by.
  bool charge_written(std::uint64_t bytes, quota_account* quota) noexcept;
  void refund_written(std::uint64_t bytes, quota_account* quota) noexcept;

 private:
  mutable std::mutex denial_lock_;
  std::map<std::string, denial> denials_;  // at most max_denials distinct ones
};

}  // namespace osvm::unikernel
