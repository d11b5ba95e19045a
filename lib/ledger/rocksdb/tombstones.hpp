// Range deletions: for a key, the newest sequence number of any range that covers it.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "coding.hpp"

namespace osvm::ledger::rocksdb {

struct range_tombstone {
  std::string begin, end;  // end is not covered
  std::uint64_t sequence = 0;
};

class tombstone_set {
 public:
  void add(const std::vector<range_tombstone>& ranges) {
    for (const auto& r : ranges)
      if (r.begin < r.end) insert(r);
  }
  // Zero when nothing covers it.
  std::uint64_t covering(std::string_view key) const {
    const auto at = starts_.upper_bound(key);
    return at == starts_.begin() ? 0 : std::prev(at)->second;
  }
  bool empty() const noexcept { return starts_.empty(); }

 private:
  // Splits at both ends, then raises everything between.
  void insert(const range_tombstone& r) {
    const auto to = split(r.end);
    for (auto at = split(r.begin); at != to; ++at) at->second = std::max(at->second, r.sequence);
  }
  std::map<std::string, std::uint64_t, std::less<>>::iterator split(const std::string& key) {
    return starts_.try_emplace(key, covering(key)).first;
  }
  // From each key on, up to the next: the newest covering sequence.
  std::map<std::string, std::uint64_t, std::less<>> starts_;
};

}  // namespace osvm::ledger::rocksdb
