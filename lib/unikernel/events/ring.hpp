// A bounded queue that any number of threads fill without waiting and any number empty: each slot carries the
// turn at which it may be written or read (D. Vyukov's scheme). A full ring refuses a record and counts it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace osvm::unikernel {

// Fixed size, so that a guest thread allocates nothing.
struct event_record {
  std::uint8_t kind = 0;
  std::uint8_t stream = 0;
  std::uint16_t text_size = 0, rule_size = 0;
  std::uint32_t call = 0;
  std::int32_t thread = 0;
  std::int64_t at_ns = 0, duration_ns = 0, result = 0;
  std::array<char, 976> bytes;  // the text, then the rule; the rest is not set

  std::string_view text() const noexcept { return {bytes.data(), text_size}; }
  std::string_view rule() const noexcept { return {bytes.data() + text_size, rule_size}; }
  // Keeps what fits; what is cut off ends in "...".
  void set_text(std::string_view text, std::string_view rule = {}) noexcept;
};

class event_ring final {
 public:
  explicit event_ring(std::size_t capacity);  // rounded up to a power of two

  // Any thread. False: full; the record is counted as dropped.
  bool push(const event_record& record) noexcept;
  // Any thread. False: empty.
  bool pop(event_record& out) noexcept;
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }
  std::size_t capacity() const noexcept { return mask_ + 1; }

 private:
  struct slot {
    std::atomic<std::size_t> turn{0};
    event_record record;
  };
  std::size_t mask_;
  std::unique_ptr<slot[]> slots_;
  alignas(64) std::atomic<std::size_t> head_{0};  // next to write
  alignas(64) std::atomic<std::size_t> tail_{0};  // next to read
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace osvm::unikernel
