#include "coding.hpp"

#include <nmmintrin.h>

#include <array>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace osvm::ledger::rocksdb {
namespace {

constexpr auto crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c >> 1) ^ (c & 1 ? 0x82f63b78U : 0);
    table[i] = c;
  }
  return table;
}();

std::uint32_t crc_portable(std::uint32_t crc, const std::uint8_t* p, std::size_t n) noexcept {
  for (; n; --n) crc = (crc >> 8) ^ crc_table[(crc ^ *p++) & 0xff];
  return crc;
}

__attribute__((target("sse4.2"))) std::uint32_t crc_hardware(std::uint32_t crc, const std::uint8_t* p,
                                                             std::size_t n) noexcept {
  std::uint64_t c = crc;
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t v;
    std::memcpy(&v, p, 8);
    c = _mm_crc32_u64(c, v);
  }
  for (; n; --n) c = _mm_crc32_u8(static_cast<std::uint32_t>(c), *p++);
  return static_cast<std::uint32_t>(c);
}

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept {
  const auto* p = static_cast<const std::uint8_t*>(data);
  crc = ~crc;
  crc = __builtin_cpu_supports("sse4.2") ? crc_hardware(crc, p, size) : crc_portable(crc, p, size);
  return ~crc;
}

std::uint32_t block_checksum(checksum_type type, std::string_view block, char last) noexcept {
  switch (type) {
    case checksum_type::none: return 0;
    case checksum_type::crc32c: return mask_crc(crc32c(crc32c(0, block.data(), block.size()), &last, 1));
    case checksum_type::xxhash: {
      XXH32_state_t state;
      XXH32_reset(&state, 0);
      XXH32_update(&state, block.data(), block.size());
      XXH32_update(&state, &last, 1);
      return XXH32_digest(&state);
    }
    case checksum_type::xxhash64: {
      XXH64_state_t state;
      XXH64_reset(&state, 0);
      XXH64_update(&state, block.data(), block.size());
      XXH64_update(&state, &last, 1);
      return static_cast<std::uint32_t>(XXH64_digest(&state));
    }
    case checksum_type::xxh3:  // the last byte is mixed in behind the hash
      return static_cast<std::uint32_t>(XXH3_64bits(block.data(), block.size())) ^
             static_cast<std::uint8_t>(last) * 0x6b9083d9U;
  }
  return 0;
}

}  // namespace osvm::ledger::rocksdb
