#include "unikernel/vdso/vdso.hpp"

#include <x86intrin.h>

#include <ctime>

extern "C" const std::byte osvm_vdso_begin[];
extern "C" const std::byte osvm_vdso_end[];

namespace osvm::unikernel {
namespace {

constexpr std::uint32_t shift = 32;
constexpr std::uint64_t period_ms = 100;    // between adjustments
constexpr std::uint64_t catch_up_ms = 500;  // over which a clock that ran ahead is slowed

std::uint64_t read_clock(clockid_t id) noexcept {
  timespec t{};
  (void)::clock_gettime(id, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

std::uint64_t scale(std::uint64_t ticks, std::uint64_t mult) noexcept {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(ticks) * mult) >> shift);
}

}  // namespace

std::span<const std::byte> vdso_image() noexcept {
  return {osvm_vdso_begin, osvm_vdso_end};
}

// The tightest of three sandwiched readings: preemption in between would shift the guest's clock.
clock_updater::sample clock_updater::take() noexcept {
  sample best{};
  std::uint64_t best_width = ~std::uint64_t{0};
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t before = __rdtsc();
    const std::uint64_t monotonic = read_clock(CLOCK_MONOTONIC);
    const std::uint64_t realtime = read_clock(CLOCK_REALTIME);
    const std::uint64_t after = __rdtsc();
    if (after - before >= best_width) continue;
    best_width = after - before;
    best = {before + (after - before) / 2, monotonic, realtime};
  }
  return best;
}

void clock_updater::publish(const sample& s, std::uint64_t monotonic, std::uint64_t realtime,
                            std::uint64_t mult) noexcept {
  const std::uint32_t sequence = page_->sequence;
  __atomic_store_n(&page_->sequence, sequence + 1, __ATOMIC_RELEASE);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  page_->shift = shift;
  page_->mult = mult;
  page_->base_tsc = s.tsc;
  page_->monotonic_ns = monotonic;
  page_->realtime_ns = realtime;
  __atomic_store_n(&page_->sequence, sequence + 2, __ATOMIC_RELEASE);
  __atomic_store_n(&next_tsc_, s.tsc + period_ticks_, __ATOMIC_RELAXED);
}

void clock_updater::start(clock_page* page, std::uint64_t tsc_khz) noexcept {
  const std::scoped_lock lock(lock_);
  page_ = page;
  nominal_mult_ = tsc_khz ? (std::uint64_t{1'000'000} << shift) / tsc_khz : 0;
  period_ticks_ = tsc_khz * period_ms;
  const sample s = take();
  publish(s, s.monotonic, s.realtime, nominal_mult_);
}

void clock_updater::tick() noexcept {
  if (!page_ || __rdtsc() < __atomic_load_n(&next_tsc_, __ATOMIC_RELAXED)) return;
  const std::unique_lock lock(lock_, std::try_to_lock);
  if (!lock || __rdtsc() < next_tsc_) return;
  const sample s = take();
  const std::uint64_t guest_monotonic = page_->monotonic_ns + scale(s.tsc - page_->base_tsc, page_->mult);
  // The wall clock may step (it is set by people and NTP): the guest sees what the host sees.
  if (s.monotonic >= guest_monotonic) {
    publish(s, s.monotonic, s.realtime, nominal_mult_);
    return;
  }
  const std::uint64_t ahead = guest_monotonic - s.monotonic;
  const std::uint64_t horizon = catch_up_ms * 1'000'000;
  const std::uint64_t slowed =
      ahead < horizon / 2 ? static_cast<std::uint64_t>(static_cast<unsigned __int128>(nominal_mult_) *
                                                       (horizon - ahead) / horizon)
                          : nominal_mult_ / 2;
  publish(s, guest_monotonic, s.realtime, slowed);
}

}  // namespace osvm::unikernel
