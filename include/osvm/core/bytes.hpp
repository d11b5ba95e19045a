// Bounds-checked reads from foreign bytes. A cursor never reads past its span: a short input is an error
// value.
#pragma once

#include <osvm/core/error.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace osvm {

static_assert(std::endian::native == std::endian::little, "formats are read as little-endian in place");

using bytes_view = std::span<const std::byte>;

inline bytes_view as_bytes(std::string_view s) noexcept {
  return std::as_bytes(std::span(s.data(), s.size()));
}

// a + b, or false when it does not fit; the unsigned arithmetic of every size that a foreign file names.
template <std::unsigned_integral T>
[[nodiscard]] constexpr bool checked_add(T a, T b, T& out) noexcept {
  return !__builtin_add_overflow(a, b, &out);
}
template <std::unsigned_integral T>
[[nodiscard]] constexpr bool checked_mul(T a, T b, T& out) noexcept {
  return !__builtin_mul_overflow(a, b, &out);
}

// Sub-span [offset, offset + length) or errc::truncated. 64-bit arguments: file formats name 64-bit offsets.
result<bytes_view> subspan(bytes_view bytes, std::uint64_t offset, std::uint64_t length);

// Copies one trivially copyable little-endian value out of `bytes` at `offset`.
template <class T>
requires std::is_trivially_copyable_v<T> result<T> read_at(bytes_view bytes, std::uint64_t offset) {
  auto s = subspan(bytes, offset, sizeof(T));
  if (!s) return s.error();
  T value;
  std::memcpy(&value, s->data(), sizeof(T));
  return value;
}

// Sequential reader. Borrows the bytes, which must outlive it. Not thread-safe.
class byte_reader {
 public:
  explicit byte_reader(bytes_view bytes) noexcept : bytes_(bytes) {}
  std::size_t position() const noexcept { return pos_; }
  std::size_t remaining() const noexcept { return bytes_.size() - pos_; }

  template <class T>
  requires std::is_trivially_copyable_v<T> result<T> read() {
    auto value = read_at<T>(bytes_, pos_);
    if (value) pos_ += sizeof(T);
    return value;
  }
  result<bytes_view> take(std::uint64_t length) {
    auto s = subspan(bytes_, pos_, length);
    if (s) pos_ += s->size();
    return s;
  }

 private:
  bytes_view bytes_;
  std::size_t pos_ = 0;
};

}  // namespace osvm
