// What an instance tells of its guest while it runs and afterwards: output, events, threads, counters, and
// the policy that it would have needed.
#include "unikernel/engine/in_process.hpp"
#include "unikernel/policy/recorder.hpp"

#include <osvm/unikernel/surface.hpp>

#include <algorithm>
#include <csignal>
#include <set>

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
      std::max<std::uint64_t>(more(state_->memory->peak(), mebibyte) + 4 * mebibyte, 16 * mebibyte);
  b.descriptors = std::max(8U, static_cast<unsigned>(more(main_->state().descriptors.most(), 1)));
  b.written_bytes = more(state_->written_bytes.load(), 64 << 10);
  b.threads = most_threads_.load();
  b.processes = std::max(1U, state_->processes.most());
  return b;
}

std::string in_process_engine::take_output(int descriptor) {
  if (descriptor != 1 && descriptor != 2) return {};
  return state_->captured[static_cast<unsigned>(descriptor)].take();
}

std::string in_process_engine::isolation_report() const {
  return "hardware (KVM), system calls served in the caller's process";
}

std::chrono::nanoseconds in_process_engine::total_cpu_time() const {
  std::chrono::nanoseconds sum{0};
  {
    const std::scoped_lock lock(processes_lock_);
    sum = finished_cpu_;
  }
  for (const auto& p : all_processes()) sum += p->running_cpu_time();
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
  s.memory_bytes = state_->memory->bytes();
  s.memory_peak_bytes = state_->memory->peak();
  std::set<std::shared_ptr<machine>> machines{main_->current_machine()};
  s.descriptors = main_->state().descriptors.count();
  for (const auto& p : all_processes()) {
    machines.insert(p->current_machine());
    if (p != main_) s.descriptors += p->state().descriptors.count();
  }
  for (const auto& m : machines) {
    if (!m) continue;
    const memory_usage u = m->memory().usage();
    s.resident_bytes += u.resident_bytes;
    s.page_table_bytes += u.page_table_bytes;
  }
  s.threads = total_threads();
  s.processes_started = state_->processes.started();
  s.written_bytes = state_->written_bytes.load();
  s.socket_received_bytes = state_->socket_received.load(std::memory_order_relaxed);
  s.socket_sent_bytes = state_->socket_sent.load(std::memory_order_relaxed);
  s.cpu_time = total_cpu_time();
  s.events_dropped = events_ ? events_->dropped() : 0;
  return s;
}

}  // namespace osvm::unikernel
