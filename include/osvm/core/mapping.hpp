// Sole owner of one mmap()ed range. Move-only.
#pragma once

#include <osvm/core/error.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace osvm {

class mapping final {
 public:
  mapping() noexcept = default;
  mapping(void* address, std::size_t size) noexcept : data_(static_cast<std::byte*>(address)), size_(size) {}
  mapping(mapping&& o) noexcept : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}
  mapping& operator=(mapping&& o) noexcept {
    if (this != &o) {
      reset();
      data_ = std::exchange(o.data_, nullptr);
      size_ = std::exchange(o.size_, 0);
    }
    return *this;
  }
  ~mapping() { reset(); }

  // Zeroed private memory without swap reservation. `alignment` is a power of two, at least the page size.
  static result<mapping> anonymous(std::size_t size, std::size_t alignment = 4096);

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
  void reset() noexcept;

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace osvm
