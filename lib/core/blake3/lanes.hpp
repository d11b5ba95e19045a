// Several compressions side by side, one in each lane of the compiler's vector type. Included by one file for
// each instruction set, which says how many lanes (GCC 12 takes no template's parameter there); everything
// here has internal linkage and uses no library code, so that nothing which was compiled for a newer
// processor can be called on an older one.
#pragma once

#include "constants.hpp"

namespace {

namespace b3 = osvm::blake3_detail;

struct lanes {
  static constexpr unsigned count_of = OSVM_BLAKE3_LANES;
  typedef std::uint32_t vector __attribute__((vector_size(4 * OSVM_BLAKE3_LANES)));

  static inline __attribute__((always_inline)) void mix(vector& a, vector& b, vector& c, vector& d,
                                                        const vector& x, const vector& y) {
    a += b + x, d ^= a, d = d >> 16 | d << 16;
    c += d, b ^= c, b = b >> 12 | b << 20;
    a += b + y, d ^= a, d = d >> 8 | d << 24;
    c += d, b ^= c, b = b >> 7 | b << 25;
  }
  static inline __attribute__((always_inline)) void rounds(vector (&v)[16], const vector (&m)[16]) {
#pragma GCC unroll 7
    for (unsigned r = 0; r < 7; ++r) {
      const auto& s = b3::schedule[r];
      mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
      mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
      mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
      mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
      mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
      mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
      mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
      mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
    }
  }
  static inline __attribute__((always_inline)) std::uint32_t load(const std::uint8_t* p) {
    std::uint32_t v;
    __builtin_memcpy(&v, p, 4);
    return v;
  }
  static inline __attribute__((always_inline)) void set(vector& v, std::uint32_t x) {
    v = vector{} + x;
  }
  // The counters of the lanes, low and high halves.
  static inline __attribute__((always_inline)) void count(vector& low, vector& high, std::uint64_t from) {
    for (unsigned i = 0; i < count_of; ++i) {
      low[i] = static_cast<std::uint32_t>(from + i);
      high[i] = static_cast<std::uint32_t>((from + i) >> 32);
    }
  }

  // The chaining values of so many whole chunks that follow each other; 8 words for each.
  static void chunks(const std::uint8_t* in, std::uint64_t counter, std::uint32_t* out) {
    vector h[8], low, high;
    for (unsigned w = 0; w < 8; ++w) set(h[w], b3::initial[w]);
    count(low, high, counter);
    for (unsigned b = 0; b < b3::chunk_size / b3::block_size; ++b) {
      vector m[16], v[16];
      for (unsigned w = 0; w < 16; ++w)
        for (unsigned i = 0; i < count_of; ++i)
          m[w][i] = load(in + i * b3::chunk_size + b * b3::block_size + 4 * w);
      for (unsigned w = 0; w < 8; ++w) v[w] = h[w];
      for (unsigned w = 0; w < 4; ++w) set(v[8 + w], b3::initial[w]);
      v[12] = low, v[13] = high;
      set(v[14], b3::block_size);
      set(v[15], (b == 0 ? b3::chunk_start : 0) | (b == 15 ? b3::chunk_end : 0));
      rounds(v, m);
      for (unsigned w = 0; w < 8; ++w) h[w] = v[w] ^ v[w + 8];
    }
    for (unsigned w = 0; w < 8; ++w)
      for (unsigned i = 0; i < count_of; ++i) out[8 * i + w] = h[w][i];
  }

  // As many blocks of the root's output, 16 words each.
  static void output(const std::uint32_t* value, const std::uint32_t* words, std::uint32_t size,
                     std::uint32_t flags, std::uint64_t counter, std::uint32_t* out) {
    vector m[16], v[16];
    for (unsigned w = 0; w < 16; ++w) set(m[w], words[w]);
    for (unsigned w = 0; w < 8; ++w) set(v[w], value[w]);
    for (unsigned w = 0; w < 4; ++w) set(v[8 + w], b3::initial[w]);
    count(v[12], v[13], counter);
    set(v[14], size), set(v[15], flags | b3::root);
    rounds(v, m);
    for (unsigned w = 0; w < 8; ++w)
      for (unsigned i = 0; i < count_of; ++i) {
        out[16 * i + w] = v[w][i] ^ v[w + 8][i];
        out[16 * i + w + 8] = v[w + 8][i] ^ value[w];
      }
  }
};

}  // namespace
