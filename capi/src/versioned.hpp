// Structs that begin with `uint32_t struct_size` and grow only at the end.
#pragma once

#include "guard.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace osvm::capi {

// Writes `defaults` over the first `struct_size` bytes of a caller's struct that may be older or newer than
// ours; bytes that we do not know become zero.
template <class T>
requires std::is_trivially_copyable_v<T>
void init_versioned(T* target, std::uint32_t struct_size, T defaults) noexcept {
  if (!target || struct_size < sizeof(std::uint32_t)) return;
  defaults.struct_size = struct_size;
  std::memset(static_cast<void*>(target), 0, struct_size);
  std::memcpy(static_cast<void*>(target), &defaults, std::min<std::size_t>(struct_size, sizeof(T)));
}

// The caller's struct over our defaults. Refused: no size, and bytes set that this library does not know.
template <class T>
requires std::is_trivially_copyable_v<T> result<T> read_versioned(const T* source, T defaults,
                                                                  const char* name) {
  if (!source) return defaults;
  std::uint32_t size = 0;
  std::memcpy(&size, source, sizeof size);
  constexpr std::uint32_t sane = 64 * 1024;  // not a size: the caller forgot _init
  if (size < sizeof size || size > sane) {
    return error(errc::invalid_argument, std::string(name) + ".struct_size is " + std::to_string(size) +
                                             "; fill the struct with its _init function first");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(source);
  const bool unknown_set =
      size > sizeof(T) && std::any_of(bytes + sizeof(T), bytes + size, [](auto b) { return b != 0; });
  if (unknown_set) {
    return error(errc::unsupported,
                 std::string(name) + " sets a field that this version of the library does not know");
  }
  std::memcpy(static_cast<void*>(&defaults), source, std::min<std::size_t>(size, sizeof(T)));
  return defaults;
}

// Fills the caller's result struct as far as both sides know it.
template <class T>
requires std::is_trivially_copyable_v<T> result<void> write_versioned(T* target, T value, const char* name) {
  std::uint32_t size = 0;
  std::memcpy(&size, target, sizeof size);
  if (size < sizeof size) {
    return error(errc::invalid_argument, std::string(name) + ".struct_size is " + std::to_string(size) +
                                             "; fill the struct with its _init function first");
  }
  value.struct_size = size;
  std::memcpy(static_cast<void*>(target), &value, std::min<std::size_t>(size, sizeof(T)));
  return {};
}

}  // namespace osvm::capi
