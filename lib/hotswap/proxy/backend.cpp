#include "hotswap/proxy/backend.hpp"

#include <algorithm>

namespace osvm::hotswap::detail {

// Two sessions may eject it at the same time: then the later time counts, and both are counted.
void backend::failed(const ejection_options& o, std::chrono::steady_clock::time_point now,
                     bool at_once) noexcept {
  failures.fetch_add(1, std::memory_order_relaxed);
  const auto row = failed_in_a_row.fetch_add(1) + 1;
  if (row < o.failures && !at_once) return;
  const unsigned doubled = std::min(at_once ? row - 1 : row - o.failures, 16U);
  const auto time = std::min<std::chrono::nanoseconds>(o.time * (1U << doubled), o.max_time);
  const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch());
  if (out_until.load() <= since.count()) ejections.fetch_add(1, std::memory_order_relaxed);
  out_until.store((since + time).count());
}

// FNV-1a, finished so that names which differ in their last byte differ everywhere.
std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
  h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53;
  return h ^ h >> 33;
}

}  // namespace osvm::hotswap::detail
