// Serves system calls of guest threads that wait in their stubs (lib/kvm/ring_stub.hpp), so that a call costs
// no exit. One thread for each instance that asked for it. It looks while calls come and sleeps when none
// came for a while; it never serves a call that would have to wait. On a host without a core to spare it
// finds every call gone already, and then looks ever less often.
//
// Ownership of a guest thread's state: whoever holds its ring_member. The thread's own host thread holds it
// always, but inside KVM_RUN; the poller takes it for one call. So what the guest writes into its slot, at
// whatever moment, never brings two host threads into one guest thread's state.
#pragma once

#include "kvm/ring_stub.hpp"
#include "unikernel/thread/guest_thread.hpp"

#include <pthread.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace osvm::unikernel {

class ring_member {
 public:
  ring_member(guest_thread& guest, kvm::ring_slot& slot) noexcept : guest_(guest), slot_(slot) { slot = {}; }

  // Made held, by the thread's own host thread.
  void hold() noexcept;
  bool try_hold() noexcept { return held_.exchange(1, std::memory_order_acquire) == 0; }
  void release() noexcept;

  // For the holder.
  guest_thread& guest() noexcept { return guest_; }
  bool call_waits() const noexcept { return word(slot_.pending) != 0; }
  bool refused() const noexcept { return word(slot_.refused) != 0; }
  kvm::ring_slot take() const noexcept;  // one reading: the guest may write the slot at any time
  void answer(std::int64_t value) noexcept;
  void refuse() noexcept;
  // The value of the last answer, from memory that the guest cannot write.
  std::int64_t answered() const noexcept { return answered_; }
  // Paused: the thread's next call comes out, and none is served until resume().
  void pause() noexcept;
  void resume(bool poller_awake) noexcept;
  bool paused() const noexcept { return paused_; }
  // For anyone.
  void enable(bool on) noexcept { set(slot_.enabled, on ? 1 : 0); }

 private:
  static std::uint32_t word(const std::uint32_t& w) noexcept { return __atomic_load_n(&w, __ATOMIC_ACQUIRE); }
  static void set(std::uint32_t& w, std::uint32_t value) noexcept {
    __atomic_store_n(&w, value, __ATOMIC_RELEASE);
  }

  guest_thread& guest_;
  kvm::ring_slot& slot_;
  std::int64_t answered_ = 0;
  bool paused_ = false;
  std::atomic<std::uint32_t> held_{1};
};

class call_poller {
 public:
  // Serves the member's call: its value, or nothing when it must come out. Runs on the poller's thread with
  // the member held.
  using server = std::function<std::optional<std::int64_t>(ring_member&, const kvm::ring_slot& call)>;

  explicit call_poller(server serve) : serve_(std::move(serve)) {}
  ~call_poller() { stop(); }

  // Starts the thread; the caller has blocked all signals. 0 or an errno.
  int start();
  void stop() noexcept;

  void add(std::shared_ptr<ring_member> member);
  // Afterwards the member is not served any more; the caller holds it and never releases it.
  void remove(const ring_member& member) noexcept;

  bool awake() const noexcept { return awake_.load(std::memory_order_acquire); }
  // A call came out while the poller sleeps: wakes it when calls come fast.
  void call_came_out() noexcept;
  std::uint64_t served() const noexcept { return served_.load(std::memory_order_relaxed); }
  std::chrono::nanoseconds cpu_time() const noexcept;

 private:
  using members = std::vector<std::shared_ptr<ring_member>>;

  static void* thread_main(void* self);
  void run();
  bool look(const members& all);
  bool sleep(members& all);
  void back_off(bool was_of_use) noexcept;
  std::uint64_t pause_ns_ = 0;  // the poller's
  void refresh(members& all);

  server serve_;
  pthread_t thread_{};
  bool started_ = false;
  mutable std::mutex lock_;
  std::condition_variable changed_;
  members members_;
  bool ending_ = false, wanted_ = false;
  std::atomic<std::uint64_t> generation_{0}, served_{0}, last_call_{0}, asleep_until_{0};
  std::atomic<bool> awake_{false};
};

}  // namespace osvm::unikernel
