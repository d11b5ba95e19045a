// What a process says of its threads.
#include "unikernel/engine/guest_process.hpp"

#include <algorithm>
#include <csignal>

namespace osvm::unikernel {

bool guest_process::has_thread(int tid) const {
  const std::scoped_lock lock(threads_lock_);
  return tasks_.contains(tid);
}

std::vector<int> guest_process::threads() const {
  const std::scoped_lock lock(threads_lock_);
  std::vector<int> tids;
  for (const auto& [tid, t] : tasks_) tids.push_back(tid);
  std::sort(tids.begin(), tids.end());
  return tids;
}

void guest_process::kick(int tid) {
  const std::scoped_lock lock(threads_lock_);
  if (const auto it = tasks_.find(tid); it != tasks_.end()) ::pthread_kill(it->second->handle, kick_signal());
}

namespace {

std::optional<std::chrono::nanoseconds> cpu_time_of(pthread_t thread) {
  clockid_t id{};
  timespec used{};
  if (::pthread_getcpuclockid(thread, &id) != 0 || ::clock_gettime(id, &used) != 0) return std::nullopt;
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace

std::optional<std::chrono::nanoseconds> guest_process::thread_cpu_time(int tid) const {
  const std::scoped_lock lock(threads_lock_);
  const auto it = tasks_.find(tid);
  return it == tasks_.end() ? std::nullopt : cpu_time_of(it->second->handle);
}

unsigned guest_process::thread_count() const {
  const std::scoped_lock lock(threads_lock_);
  return static_cast<unsigned>(tasks_.size());
}

std::chrono::nanoseconds guest_process::cpu_time() const {
  const std::scoped_lock lock(threads_lock_);
  std::chrono::nanoseconds sum = finished_cpu_;
  for (const auto& [tid, t] : tasks_) {
    sum += cpu_time_of(t->handle).value_or(std::chrono::nanoseconds{0});
  }
  if (call_poller* poller = owner_.poller(); poller && pid() == guest_pid) sum += poller->cpu_time();
  return sum;
}

// Without threads that have ended: their owner has counted those.
std::chrono::nanoseconds guest_process::running_cpu_time() const {
  const std::scoped_lock lock(threads_lock_);
  std::chrono::nanoseconds sum{0};
  for (const auto& [tid, t] : tasks_) sum += cpu_time_of(t->handle).value_or(std::chrono::nanoseconds{0});
  return sum;
}

}  // namespace osvm::unikernel
