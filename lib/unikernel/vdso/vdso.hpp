// The clock page and the vDSO image that guests map (AT_SYSINFO_EHDR), and who keeps the clock right.
#pragma once

#include "unikernel/vdso/clock_page.hpp"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

namespace osvm::unikernel {

// The ELF shared object, less than one page; mapped right behind the clock page. Static storage.
std::span<const std::byte> vdso_image() noexcept;

// Keeps one clock page in step with the host's clocks. Thread-safe.
class clock_updater final {
 public:
  // Writes the first parameters. `page` must outlive this object; `tsc_khz` is the nominal frequency.
  void start(clock_page* page, std::uint64_t tsc_khz) noexcept;
  // Called often (at system calls); does something only when the last adjustment is old. The guest's clock
  // never goes back: if it ran ahead, it is slowed until the host's has caught up.
  void tick() noexcept;

 private:
  struct sample {
    std::uint64_t tsc, monotonic, realtime;
  };
  static sample take() noexcept;
  void publish(const sample& s, std::uint64_t monotonic, std::uint64_t realtime, std::uint64_t mult) noexcept;

  std::mutex lock_;
  clock_page* page_ = nullptr;
  std::uint64_t nominal_mult_ = 0;
  std::uint64_t period_ticks_ = 0;
  std::uint64_t next_tsc_ = 0;  // read without the lock as a hint
};

}  // namespace osvm::unikernel
