// Guest-physical memory: banks of host memory, installed as slots when they are first needed. A bank holds
// one kind of frames only, since what makes the host forget a page differs by kind.
#pragma once

#include "unikernel/memory/backing.hpp"

#include <osvm/core/mapping.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace osvm::unikernel {

// What the frames of a bank are on the host.
enum class frame_kind : std::uint8_t {
  own,     // private anonymous memory, and the image beside it
  shared,  // anonymous memory that stays one memory when the host process forks
  window,  // nothing until place() puts pages of a file there
};

// Not thread-safe; the address space serialises calls.
class frame_pool final {
 public:
  struct run {
    std::uint64_t guest_address = 0;
    std::byte* host = nullptr;
  };
  explicit frame_pool(const backing_options& options);

  // `size` contiguous bytes (a multiple of 4 KiB), aligned to `alignment`; zeroed unless they are a window.
  std::optional<run> take(std::uint64_t size, std::uint64_t alignment, frame_kind kind = frame_kind::own);
  // Frames go back; discard() has dropped their content.
  void give_back(std::uint64_t guest_address, std::uint64_t size);
  // Makes frames of kind `window` the page cache of a file. 0 or the host's errno; ENOSPC: too many windows.
  int place(const run& where, std::uint64_t size, int fd, std::uint64_t offset, bool writable);
  // Drops the content of frames, and with it what KVM has cached of them.
  void discard(std::uint64_t guest_address, std::uint64_t size);
  // Makes KVM forget what it has cached of frames; their content stays. A vCPU that touches them in between
  // gets EFAULT from KVM_RUN and is retried.
  void notify(std::uint64_t guest_address, std::uint64_t size) noexcept;
  // Where the host sees a guest-physical address of this pool or of an adopted range; null when unknown.
  std::byte* host(std::uint64_t guest_address) const noexcept;
  // Maps `size` bytes of a file privately (an image), and the first frames beside it: one slot for both,
  // since each slot that is added waits for a grace period of the host kernel. Call first.
  result<run> map_file(int fd, std::uint64_t size);
  // Bytes of all banks that the host has populated. Pages of windows are the host's page cache: not counted.
  std::uint64_t resident_bytes() const;

 private:
  struct bank {
    std::uint64_t guest_address = 0;
    mapping memory;
    frame_kind kind = frame_kind::own;
    std::map<std::uint64_t, std::uint64_t> free;    // offset -> length, coalesced
    std::map<std::uint64_t, std::uint64_t> placed;  // of windows: offset -> length of each host mapping
  };
  bool grow(std::uint64_t at_least, frame_kind kind);
  bank* bank_of(std::uint64_t guest_address) noexcept;
  const bank* bank_of(std::uint64_t guest_address) const noexcept;
  void unplace(bank& b, std::uint64_t offset, std::uint64_t size);
  static std::optional<std::uint64_t> take_from(bank& b, std::uint64_t size, std::uint64_t alignment);

  backing_options options_;
  std::vector<bank> banks_;  // ascending guest addresses
  std::uint64_t next_address_;
  std::array<std::uint64_t, 3> next_size_;  // by kind
  std::size_t windows_ = 0;                 // host mappings of files
  std::uint64_t window_bytes_ = 0;          // in banks
};

}  // namespace osvm::unikernel
