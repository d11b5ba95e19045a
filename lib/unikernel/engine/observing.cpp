// What an instance tells of its guest while it runs and afterwards: output, events, threads, counters, and
// the policy that it would have needed.
#include "unikernel/engine/in_process.hpp"
#include "unikernel/policy/recorder.hpp"

#include <osvm/unikernel/surface.hpp>

#include <algorithm>
#include <csignal>

namespace osvm::unikernel {

result<learned_policy> in_process_engine::learned() const {
  if (!state_->recorder) return error(osvm::errc::invalid_argument, "the instance was not told to learn");
  return state_->recorder->result(given_policy_, used_budgets());
}

// What was used at most, with a quarter on top: another run is never quite the same.
budgets in_process_engine::used_budgets() const {
  const auto more = [](std::uint64_t n, std::uint64_t step) { return (n + n / 4 + step - 1) / step * step; };
  budgets b = options_.budgets;
  constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;
  b.memory_bytes =
      std::max<std::uint64_t>(more(memory_->usage().peak_bytes, mebibyte) + 4 * mebibyte, 16 * mebibyte);
  b.descriptors = std::max(8U, static_cast<unsigned>(more(state_->descriptors.most(), 1)));
  b.written_bytes = more(state_->written_bytes.load(), 64 << 10);
  const std::scoped_lock lock(threads_lock_);
  b.threads = static_cast<unsigned>(most_threads_);
  return b;
}

std::string in_process_engine::take_output(int descriptor) {
  if (descriptor != 1 && descriptor != 2) return {};
  return state_->captured[static_cast<unsigned>(descriptor)].take();
}

std::string in_process_engine::isolation_report() const {
  return "hardware (KVM), system calls served in the caller's process";
}

bool in_process_engine::has_thread(int tid) const {
  const std::scoped_lock lock(threads_lock_);
  return tasks_.contains(tid);
}

std::vector<int> in_process_engine::threads() const {
  const std::scoped_lock lock(threads_lock_);
  std::vector<int> tids;
  for (const auto& [tid, t] : tasks_) tids.push_back(tid);
  std::sort(tids.begin(), tids.end());
  return tids;
}

void in_process_engine::kick(int tid) {
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

std::optional<std::chrono::nanoseconds> in_process_engine::thread_cpu_time(int tid) const {
  const std::scoped_lock lock(threads_lock_);
  const auto it = tasks_.find(tid);
  return it == tasks_.end() ? std::nullopt : cpu_time_of(it->second->handle);
}

unsigned in_process_engine::thread_count() const {
  const std::scoped_lock lock(threads_lock_);
  return static_cast<unsigned>(tasks_.size());
}

std::chrono::nanoseconds in_process_engine::cpu_time() const {
  const std::scoped_lock lock(threads_lock_);
  std::chrono::nanoseconds sum = finished_cpu_;
  for (const auto& [tid, t] : tasks_) {
    sum += cpu_time_of(t->handle).value_or(std::chrono::nanoseconds{0});
  }
  return poller_ ? sum + poller_->cpu_time() : sum;
}

instance_stats in_process_engine::stats() const {
  instance_stats s;
  s.boot = phases_;
  s.boot.start = std::chrono::nanoseconds(start_ns_.load(std::memory_order_relaxed));
  s.boot.total = std::chrono::nanoseconds(total_ns_.load(std::memory_order_relaxed));
  s.exits = exits_.load(std::memory_order_relaxed);
  s.polled_calls = poller_ ? poller_->served() : 0;
  s.page_faults = page_faults_.load(std::memory_order_relaxed);
  for (std::size_t n = 0; n < max_syscall_number; ++n) {
    const auto count = state_->syscall_counts[n].load(std::memory_order_relaxed);
    if (!count) continue;
    s.syscalls.emplace_back(call_name(static_cast<unsigned>(n)), count);
  }
  if (const auto unknown = state_->unknown_syscalls.load()) s.syscalls.emplace_back("unknown", unknown);
  std::stable_sort(s.syscalls.begin(), s.syscalls.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  s.denials = state_->denials();
  s.granted = granted_;
  s.refused = refused_;
  const memory_usage m = memory_->usage();
  s.memory_bytes = m.bytes;
  s.memory_peak_bytes = m.peak_bytes;
  s.resident_bytes = m.resident_bytes;
  s.page_table_bytes = m.page_table_bytes;
  s.threads = thread_count();
  s.descriptors = state_->descriptors.count();
  s.written_bytes = state_->written_bytes.load();
  s.cpu_time = cpu_time();
  s.events_dropped = events_ ? events_->dropped() : 0;
  return s;
}

}  // namespace osvm::unikernel
