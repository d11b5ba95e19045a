// Guest-physical memory for anonymous pages: banks of host memory, installed as slots when they are first
// needed.
#pragma once

#include "unikernel/memory/backing.hpp"

#include <osvm/core/mapping.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace osvm::unikernel {

// Not thread-safe; the address space serialises calls.
class frame_pool final {
 public:
  struct run {
    std::uint64_t guest_address = 0;
    std::byte* host = nullptr;
  };
  explicit frame_pool(const backing_options& options);

  // `size` contiguous zeroed bytes (a multiple of 4 KiB), aligned to `alignment`.
  std::optional<run> take(std::uint64_t size, std::uint64_t alignment);
  // Pages go back; the caller has dropped their content (MADV_DONTNEED).
  void give_back(std::uint64_t guest_address, std::uint64_t size);
  // Where the host sees a guest-physical address of this pool or of an adopted range; null when unknown.
  std::byte* host(std::uint64_t guest_address) const noexcept;
  // Maps `size` bytes of a file privately (an image), and the first frames beside it: one slot for both,
  // since each slot that is added waits for a grace period of the host kernel. Call first.
  result<run> map_file(int fd, std::uint64_t size);
  // Bytes of all banks that the host has populated.
  std::uint64_t resident_bytes() const;

 private:
  struct bank {
    std::uint64_t guest_address = 0;
    mapping memory;
    std::map<std::uint64_t, std::uint64_t> free;  // offset -> length, coalesced
  };
  bool grow(std::uint64_t at_least);
  static std::optional<std::uint64_t> take_from(bank& b, std::uint64_t size, std::uint64_t alignment);

  backing_options options_;
  std::vector<bank> banks_;  // ascending guest addresses
  std::uint64_t next_address_;
  std::uint64_t next_size_;
};

}  // namespace osvm::unikernel
