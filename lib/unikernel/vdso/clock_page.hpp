// The page that the VMM writes and guests read to turn the TSC into time. Plain C layout: vdso.c includes it
// too.
#pragma once

#ifdef __cplusplus
#include <cstdint>
namespace osvm::unikernel {
#else
#include <stdint.h>
#endif

// A seqlock: odd `sequence` while the VMM writes. ns = base_ns + ((tsc - base_tsc) * mult >> shift).
struct clock_page {
  uint32_t sequence;
  uint32_t shift;
  uint64_t mult;
  uint64_t base_tsc;
  uint64_t monotonic_ns;
  uint64_t realtime_ns;
};

#ifdef __cplusplus
}  // namespace osvm::unikernel
#endif
