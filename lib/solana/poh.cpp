// Proof of History's ticking. A chain of hashes cannot be parallel in itself: each step waits for the one
// before, and the processor's SHA instructions wait 4 cycles for a result that the next one could begin after
// 2. So two chains are run through each other, which costs hardly more than one.
#include <osvm/solana/poh.hpp>

#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>

#include "sha256_step.hpp"

namespace osvm::solana {
namespace {

alignas(16) constexpr std::uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

bool has_sha_instructions() noexcept {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_SHA)) return false;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1) && (c & bit_SSSE3);
}

// The eight words of a hash as the message's first half: no byte is swapped from one step to the next.
struct words {
  __m128i low, high;
};

#define OSVM_SHA __attribute__((target("sha,sse4.1,ssse3")))

OSVM_SHA inline words load_words(const hash& h) noexcept {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const auto* p = reinterpret_cast<const __m128i*>(h.data());
  return {_mm_shuffle_epi8(_mm_loadu_si128(p), swap), _mm_shuffle_epi8(_mm_loadu_si128(p + 1), swap)};
}

OSVM_SHA inline void store_words(const words& w, hash& h) noexcept {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  auto* p = reinterpret_cast<__m128i*>(h.bytes.data());
  _mm_storeu_si128(p, _mm_shuffle_epi8(w.low, swap));
  _mm_storeu_si128(p + 1, _mm_shuffle_epi8(w.high, swap));
}

// `Lanes` compressions at once, each of a 32-byte message and its padding; `steps` times over.
template <int Lanes>
OSVM_SHA void run(words* state, std::uint64_t steps) noexcept {
  const __m128i abef =
      _mm_set_epi32(0x6a09e667, static_cast<int>(0xbb67ae85), 0x510e527f, static_cast<int>(0x9b05688c));
  const __m128i cdgh = _mm_set_epi32(0x3c6ef372, static_cast<int>(0xa54ff53a), 0x1f83d9ab, 0x5be0cd19);
  const auto* constants = reinterpret_cast<const __m128i*>(round_constants);
  for (std::uint64_t n = 0; n < steps; ++n) {
    __m128i m[Lanes][4], a[Lanes], c[Lanes];
#pragma GCC unroll 4
    for (int l = 0; l < Lanes; ++l) {
      m[l][0] = state[l].low;
      m[l][1] = state[l].high;
      m[l][2] = _mm_set_epi32(0, 0, 0, static_cast<int>(0x80000000));
      m[l][3] = _mm_set_epi32(256, 0, 0, 0);
      a[l] = abef;
      c[l] = cdgh;
    }
#pragma GCC unroll 16
    for (int g = 0; g < 16; ++g) {
#pragma GCC unroll 4
      for (int l = 0; l < Lanes; ++l) {
        auto* w = m[l];
        __m128i k = _mm_add_epi32(w[g & 3], _mm_load_si128(constants + g));
        c[l] = _mm_sha256rnds2_epu32(c[l], a[l], k);
        k = _mm_shuffle_epi32(k, 0x0e);
        a[l] = _mm_sha256rnds2_epu32(a[l], c[l], k);
        if (g >= 12) continue;
        const __m128i last = w[(g + 3) & 3];
        const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[g & 3], w[(g + 1) & 3]),
                                          _mm_alignr_epi8(last, w[(g + 2) & 3], 4));
        w[g & 3] = _mm_sha256msg2_epu32(sum, last);
      }
    }
#pragma GCC unroll 4
    for (int l = 0; l < Lanes; ++l) {
      const __m128i abfe = _mm_shuffle_epi32(_mm_add_epi32(a[l], abef), 0x1b);
      const __m128i cdhg = _mm_shuffle_epi32(_mm_add_epi32(c[l], cdgh), 0x1b);
      state[l] = {_mm_unpacklo_epi64(abfe, cdhg), _mm_unpackhi_epi64(abfe, cdhg)};
    }
  }
}

OSVM_SHA void tick_with_instructions(std::span<poh_chain> chains) noexcept {
  constexpr std::size_t lanes = 2;
  words state[lanes];
  poh_chain* owner[lanes] = {};
  std::uint64_t left[lanes] = {};
  std::size_t next = 0;
  auto refill = [&](std::size_t l) {
    if (owner[l]) store_words(state[l], owner[l]->at);
    owner[l] = nullptr;
    for (; next < chains.size() && !owner[l]; ++next)
      if (chains[next].count) owner[l] = &chains[next];
    if (owner[l]) state[l] = load_words(owner[l]->at), left[l] = owner[l]->count;
  };
  refill(0), refill(1);
  while (owner[0] && owner[1]) {
    const auto steps = std::min(left[0], left[1]);
    run<lanes>(state, steps);
    for (std::size_t l = 0; l < lanes; ++l)
      if ((left[l] -= steps) == 0) refill(l);
  }
  for (std::size_t l = 0; l < lanes; ++l) {
    if (!owner[l]) continue;
    run<1>(&state[l], left[l]);
    store_words(state[l], owner[l]->at);
  }
}

}  // namespace

void poh_ticks_portable(std::span<poh_chain> chains) noexcept {
  for (auto& c : chains) sha256_steps(c.at, c.count);
}

void poh_ticks(std::span<poh_chain> chains) noexcept {
  static const bool fast = has_sha_instructions();
  fast ? tick_with_instructions(chains) : poh_ticks_portable(chains);
}

hash poh_ticks(hash start, std::uint64_t count) noexcept {
  poh_chain one[] = {{start, count}};
  poh_ticks(one);
  return one[0].at;
}

}  // namespace osvm::solana
