// Host memory that a descriptor keeps (pipes, memory files): charged to the instance's memory budget, given
// back with the last descriptor that names it.
#pragma once

#include "unikernel/syscalls/syscall.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace osvm::unikernel {

// Thread-safe.
class memory_charge final {
 public:
  // Null: over the budget.
  static std::shared_ptr<memory_charge> take(call_context& ctx, std::uint64_t bytes);
  explicit memory_charge(std::shared_ptr<std::atomic<std::uint64_t>> counter)
      : counter_(std::move(counter)) {}
  ~memory_charge() { counter_->fetch_sub(bytes_); }
  memory_charge(const memory_charge&) = delete;
  memory_charge& operator=(const memory_charge&) = delete;
  // False: over the budget, and nothing has changed.
  bool resize(call_context& ctx, std::uint64_t bytes);
  // The same, whatever the budget says: the memory is there.
  void settle(std::uint64_t bytes) noexcept;

 private:
  std::shared_ptr<std::atomic<std::uint64_t>> counter_;
  std::mutex lock_;
  std::uint64_t bytes_ = 0;
};

// A new memory file of the guest's, without a name in its table. Null, with errno set: none.
std::shared_ptr<descriptor> make_memory_file(call_context& ctx, std::uint64_t size, std::string path);
// Before `more` bytes are written: charges as if none of them overwrote others. False: over the budget.
bool reserve_memory_file(call_context& ctx, const descriptor& d, std::uint64_t more);
// Makes a memory file's charge equal to what it holds. False: over the budget.
bool charge_memory_file(call_context& ctx, const descriptor& d);
// The same without asking: for pages that came by a mapping, which was charged for them until now.
void settle_memory_file(const descriptor& d) noexcept;

}  // namespace osvm::unikernel
