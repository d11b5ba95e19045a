// What answers need that is dear to make and does not change: the leaders of an epoch, and of the last blocks
// their hashes and fees. Bounded; thread-safe.
#pragma once

#include <osvm/ledger/leader_schedule.hpp>
#include <osvm/ledger/slot_meta.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace osvm::ledger {

// What transactions of a block bid, in micro-lamports for a compute unit.
struct block_fees {
  std::optional<std::uint64_t> least{};               // none: no transaction but votes
  std::map<solana::pubkey, std::uint64_t> writing{};  // of those that write an account, where it is more
};

// Values by a number; the lowest numbers go first when there are too many.
template <class T, std::size_t Most>
class number_cache {
 public:
  std::shared_ptr<const T> find(std::uint64_t n) const {
    const std::lock_guard lock(mutex_);
    const auto at = values_.find(n);
    return at == values_.end() ? nullptr : at->second;
  }
  std::shared_ptr<const T> put(std::uint64_t n, T value) {
    auto made = std::make_shared<const T>(std::move(value));
    const std::lock_guard lock(mutex_);
    values_[n] = made;
    if (values_.size() > Most) values_.erase(values_.begin());
    return made;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<const T>> values_;
};

struct rpc_cache {
  number_cache<leader_schedule, 8> schedules;   // by epoch
  number_cache<solana::hash, 512> blockhashes;  // by slot
  number_cache<block_fees, 256> fees;           // by slot
};

}  // namespace osvm::ledger
