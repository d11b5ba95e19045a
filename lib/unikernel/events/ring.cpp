#include "unikernel/events/ring.hpp"

#include <algorithm>
#include <bit>

namespace osvm::unikernel {

void event_record::set_text(std::string_view text, std::string_view rule) noexcept {
  static constexpr std::string_view cut = "...";
  // A rule is ours and matters more than the end of a long text.
  rule_size = static_cast<std::uint16_t>(std::min(rule.size(), bytes.size() / 2));
  const std::size_t room = bytes.size() - rule_size;
  text_size = static_cast<std::uint16_t>(std::min(text.size(), room));
  std::copy_n(text.data(), text_size, bytes.data());
  if (text.size() > room) std::copy(cut.begin(), cut.end(), bytes.data() + text_size - cut.size());
  std::copy_n(rule.data(), rule_size, bytes.data() + text_size);
}

event_ring::event_ring(std::size_t capacity)
    : mask_(std::bit_ceil(std::max<std::size_t>(capacity, 2)) - 1), slots_(new slot[mask_ + 1]) {
  for (std::size_t i = 0; i <= mask_; ++i) slots_[i].turn.store(i, std::memory_order_relaxed);
}

bool event_ring::push(const event_record& record) noexcept {
  std::size_t at = head_.load(std::memory_order_relaxed);
  for (;;) {
    slot& s = slots_[at & mask_];
    const auto lag = static_cast<std::ptrdiff_t>(s.turn.load(std::memory_order_acquire) - at);
    if (lag == 0) {
      if (!head_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) continue;
      s.record = record;
      s.turn.store(at + 1, std::memory_order_release);
      return true;
    }
    if (lag < 0) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    at = head_.load(std::memory_order_relaxed);
  }
}

bool event_ring::pop(event_record& out) noexcept {
  std::size_t at = tail_.load(std::memory_order_relaxed);
  for (;;) {
    slot& s = slots_[at & mask_];
    const auto lag = static_cast<std::ptrdiff_t>(s.turn.load(std::memory_order_acquire) - (at + 1));
    if (lag == 0) {
      if (!tail_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) continue;
      out = s.record;
      s.turn.store(at + mask_ + 1, std::memory_order_release);
      return true;
    }
    if (lag < 0) return false;
    at = tail_.load(std::memory_order_relaxed);
  }
}

}  // namespace osvm::unikernel
