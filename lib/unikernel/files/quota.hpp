// How much may lie below a writable mount. Growth is counted as it happens; what is deleted or cut off is
// noticed when the limit is reached, by measuring the folder again, so that no call that frees room needs to
// know about quotas.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace osvm::unikernel {

// Bytes of regular files and 4 KiB for each name below the folder. Links are not followed. `most_names`
// bounds the work: errc::limit_exceeded beyond.
result<std::uint64_t> measure_folder(int folder, std::uint64_t most_names = 200'000);

inline constexpr std::uint64_t name_bytes = 4096;

// Thread-safe.
class quota_account final {
 public:
  // Measures the folder, of which it keeps a descriptor.
  static result<std::shared_ptr<quota_account>> open(const unique_fd& folder, std::uint64_t limit);
  // For what `measure` counts; it is called from take(), under a lock.
  using measure_function = std::function<result<std::uint64_t>()>;
  quota_account(measure_function measure, std::uint64_t limit, std::uint64_t used)
      : measure_(std::move(measure)), limit_(limit), used_(used) {}

  // Takes `bytes` if they fit. Growth of files is taken with the lock of growing() held, or two writers would
  // count the same bytes.
  bool take(std::uint64_t bytes) noexcept;
  void give_back(std::uint64_t bytes) noexcept;
  [[nodiscard]] std::unique_lock<std::mutex> growing() { return std::unique_lock(growth_); }

  std::uint64_t limit() const noexcept { return limit_; }
  std::uint64_t used() const noexcept {
    const std::lock_guard guard(lock_);
    return used_;
  }

 private:
  const measure_function measure_;
  const std::uint64_t limit_;
  std::mutex growth_;
  mutable std::mutex lock_;
  std::uint64_t used_;  // guarded by lock_
};

}  // namespace osvm::unikernel
