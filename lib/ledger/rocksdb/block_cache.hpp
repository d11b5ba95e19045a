// Decoded blocks, least recently used out first. Thread-safe.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace osvm::ledger::rocksdb {

class block_cache {
 public:
  explicit block_cache(std::size_t capacity) noexcept : capacity_(capacity) {}

  std::shared_ptr<const std::string> find(std::uint64_t file, std::uint64_t offset) {
    const std::lock_guard lock(mutex_);
    const auto at = map_.find({file, offset});
    if (at == map_.end()) return nullptr;
    order_.splice(order_.begin(), order_, at->second);
    return at->second->bytes;
  }
  void add(std::uint64_t file, std::uint64_t offset, std::shared_ptr<const std::string> bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes->size() > capacity_ / 4 || map_.contains({file, offset})) return;
    used_ += bytes->size() + overhead;
    order_.push_front({{file, offset}, std::move(bytes)});
    map_[order_.front().where] = order_.begin();
    while (used_ > capacity_ && !order_.empty()) {
      used_ -= order_.back().bytes->size() + overhead;
      map_.erase(order_.back().where);
      order_.pop_back();
    }
  }

 private:
  static constexpr std::size_t overhead = 160;  // of both containers and the string
  using place = std::pair<std::uint64_t, std::uint64_t>;
  struct hasher {
    std::size_t operator()(const place& p) const noexcept {
      return (p.first * 0x9e3779b97f4a7c15ULL) ^ (p.second * 0xc2b2ae3d27d4eb4fULL);
    }
  };
  struct entry {
    place where;
    std::shared_ptr<const std::string> bytes;
  };
  std::mutex mutex_;
  std::size_t capacity_, used_ = 0;
  std::list<entry> order_;
  std::unordered_map<place, std::list<entry>::iterator, hasher> map_;
};

}  // namespace osvm::ledger::rocksdb
