// What the instruction sets offer to the hash above them.
#pragma once

#include <cstdint>

namespace osvm::blake3_detail {

struct kernel {
  unsigned lanes;
  // The chaining values of `lanes` whole chunks, the first of them number `counter`: 8 words each.
  void (*chunks)(const std::uint8_t* in, std::uint64_t counter, std::uint32_t* out);
  // `lanes` blocks of output, 16 words each, from number `counter` on.
  void (*output)(const std::uint32_t* value, const std::uint32_t* words, std::uint32_t size,
                 std::uint32_t flags, std::uint64_t counter, std::uint32_t* out);
};

const kernel& baseline_kernel() noexcept;  // 4 lanes: SSE2, which every x86-64 has
const kernel& avx2_kernel() noexcept;      // 8 lanes
const kernel& best_kernel() noexcept;      // of this processor

}  // namespace osvm::blake3_detail
