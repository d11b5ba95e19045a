#define OSVM_BLAKE3_LANES 4
#include "kernel.hpp"
#include "lanes.hpp"

namespace osvm::blake3_detail {

const kernel& baseline_kernel() noexcept {
  static constexpr kernel k{4, lanes::chunks, lanes::output};
  return k;
}

const kernel& best_kernel() noexcept {
  return __builtin_cpu_supports("avx2") ? avx2_kernel() : baseline_kernel();
}

}  // namespace osvm::blake3_detail
