// Calls into a guest: a request and its answer over a channel of the instance's own (/dev/osvm in the guest;
// see include/osvm/guest.h and docs/guides/call-a-guest.md).
#pragma once

#include <osvm/core/error.hpp>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace osvm::unikernel {

inline constexpr std::size_t max_call_bytes = std::size_t{16} << 20;  // of a request, and of an answer
inline constexpr std::size_t max_call_name = 255;

struct call_options {
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);
  // What all threads of the guest may use of the CPU from the call's beginning to its answer; 0: no limit.
  // Looked at once a millisecond.
  std::chrono::nanoseconds cpu_time{0};
};

struct call_answer {
  std::int32_t status =
      0;  // what the guest's function returned; negative: -errno, of guest.h -ENOSYS for no such one
  std::string data;
};

// A value of plain bytes as a request, and an answer as one. errc::invalid_argument: of another size.
template <class T>
std::string_view as_request(const T& value) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
template <class T>
result<T> as_value(const call_answer& answer) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value{};
  if (answer.data.size() != sizeof value)
    return error(osvm::errc::invalid_argument, "the guest's answer is of another size");
  std::memcpy(&value, answer.data.data(), sizeof value);
  return value;
}

}  // namespace osvm::unikernel
