// Compiled for AVX2 (module.cmake): called only where the processor has it.
#define OSVM_BLAKE3_LANES 8
#include "kernel.hpp"
#include "lanes.hpp"

namespace osvm::blake3_detail {

const kernel& avx2_kernel() noexcept {
  static constexpr kernel k{8, lanes::chunks, lanes::output};
  return k;
}

}  // namespace osvm::blake3_detail
