// Reads the numbers, keys and texts of Solana's binary forms one after the other.
#pragma once

#include <osvm/solana/keys.hpp>

#include <optional>
#include <string_view>
#include <type_traits>

namespace osvm::solana {

// Reads bincode and the tight forms of the token programs; after a failure everything reads as zero.
class argument_reader {
 public:
  explicit argument_reader(bytes_view data) noexcept : data_(data) {}
  template <class T>
  T number() noexcept {
    T v{};
    if (const auto b = take(sizeof(T)); b.size() == sizeof(T)) std::memcpy(&v, b.data(), sizeof(T));
    return v;
  }
  template <class T = pubkey>
  T key() noexcept {
    T out;
    if (const auto b = take(T::size); b.size() == T::size) std::memcpy(out.bytes.data(), b.data(), T::size);
    return out;
  }
  std::string_view string() noexcept {  // u64 length
    const auto b = take(number<std::uint64_t>());
    return {reinterpret_cast<const char*>(b.data()), b.size()};
  }
  template <class T>
  std::optional<T> option() noexcept {
    const auto tag = number<std::uint8_t>();
    if (tag > 1) ok_ = false;
    if (tag != 1) return std::nullopt;
    if constexpr (std::is_arithmetic_v<T>)
      return number<T>();
    else
      return key<T>();
  }
  std::uint64_t varint() noexcept {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto b = number<std::uint8_t>();
      v |= std::uint64_t{b & 0x7fU} << shift;
      if (b < 0x80) return v;
    }
    ok_ = false;
    return 0;
  }
  bytes_view take(std::uint64_t n) noexcept {
    if (n > data_.size()) return ok_ = false, data_ = {}, bytes_view{};
    const auto out = data_.first(n);
    data_ = data_.subspan(n);
    return out;
  }
  // A byte that is 0 or 1.
  bool boolean() noexcept {
    const auto v = number<std::uint8_t>();
    if (v > 1) ok_ = false;
    return v == 1;
  }
  // How many elements follow: a u64, refused when they cannot all be there.
  std::uint64_t count(std::size_t least_size) noexcept {
    const auto n = number<std::uint64_t>();
    if (n > data_.size() / least_size) return ok_ = false, 0;
    return n;
  }
  void fail() noexcept { ok_ = false, data_ = {}; }
  bytes_view rest() const noexcept { return data_; }
  bool ok() const noexcept { return ok_; }

 private:
  bytes_view data_;
  bool ok_ = true;
};

}  // namespace osvm::solana
