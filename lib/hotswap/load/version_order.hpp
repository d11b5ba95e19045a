// Which releases may answer: the history of shifts, as the one who shifts announces it. Thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::hotswap::detail {

class version_order {
 public:
  // Empty: unknown, which allows any version until the first shift has returned.
  explicit version_order(std::string initial) { history_.push_back(std::move(initial)); }

  void starting(std::string version) {
    std::lock_guard lock(mutex_);
    history_.push_back(std::move(version));
  }
  void returned(std::string_view version) {
    std::lock_guard lock(mutex_);
    if (history_.back() != version) history_.emplace_back(version);
    floor_ = static_cast<std::int64_t>(history_.size()) - 1;
  }
  // The oldest place in the history that may answer a request sent from now on.
  std::int64_t floor() const {
    std::lock_guard lock(mutex_);
    return floor_;
  }
  // The earliest place, not before `from`, of a release that answered with `version`; -1: none may have.
  std::int64_t find(std::string_view version, std::int64_t from) const {
    std::lock_guard lock(mutex_);
    for (auto i = static_cast<std::size_t>(std::max<std::int64_t>(from, 0)); i < history_.size(); ++i) {
      if (history_[i] == version || (i == 0 && history_[0].empty())) return static_cast<std::int64_t>(i);
    }
    return -1;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> history_;
  std::int64_t floor_ = 0;
};

}  // namespace osvm::hotswap::detail
