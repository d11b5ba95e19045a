// What an instance owns besides address spaces and processes: policy, budgets, denials, counters, the table
// of its processes. Handlers see it through call_context. Thread-safe where not said otherwise.
#pragma once

#include "unikernel/calls/board.hpp"
#include "unikernel/controls.hpp"
#include "unikernel/files/fifo_table.hpp"
#include "unikernel/ipc/message_queues.hpp"
#include "unikernel/ipc/semaphores.hpp"
#include "unikernel/memory/memory_account.hpp"
#include "unikernel/memory/segments.hpp"
#include "unikernel/process/process_state.hpp"
#include "unikernel/process/process_table.hpp"
#include "unikernel/process/program.hpp"
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
// What a guest is told that its first process is, and that one's first thread: never the host's number.
inline constexpr int guest_pid = guest_process_id;

// What the embedder's side does for all processes on behalf of handlers. The engine implements it; the fuzzer
// has its own.
class instance_host {
 public:
  virtual ~instance_host() = default;
  // Ends all processes; the first report wins.
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
      : policy(p), budgets(b), host(h), processes(b.processes) {}

  const unikernel::policy policy;
  const unikernel::budgets budgets;
  instance_host& host;
  [[no_unique_address]] rule_set rules;
  process_table processes;
  // Four times what one process may hold: more of the host's than one guest should have.
  std::shared_ptr<descriptor_account> open_descriptors =
      std::make_shared<descriptor_account>(budgets.descriptors * 4);
  program_cache programs;
  // The program that the instance was made for: its name leads to it even where no mount has it.
  std::string first_executable;
  std::shared_ptr<const detail::image_data> first_image;
  // What all its address spaces hold.
  std::shared_ptr<memory_account> memory = std::make_shared<memory_account>(budgets.memory_bytes);
  futex_table futexes;
  guest_network network;   // names of its sockets, connections that policy grants
  segment_table segments;  // System V shared memory
  semaphore_table semaphores;
  queue_table queues;
  fifo_table fifos;
  std::shared_ptr<file_tree> files;
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
  std::atomic<std::uint64_t> socket_received{0}, socket_sent{0};  // see instance_stats
  std::array<std::atomic<std::uint64_t>, max_syscall_number> syscall_counts{};
  std::atomic<std::uint64_t> unknown_syscalls{0};
  xstate_layout xstate;            // of the guest's CPUs
  call_board calls;                // of the embedder
  unikernel::readiness readiness;  // does it wait for work?
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
