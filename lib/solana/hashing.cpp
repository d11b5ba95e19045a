// OpenSSL 3 keeps the direct SHA-256 functions as deprecated; its replacement costs an allocation and a
// look-up per hash, more than the hash itself for the 32 and 64 byte inputs here.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <osvm/solana/hashing.hpp>

#include <openssl/sha.h>

#include <vector>

#include "sha256_step.hpp"

namespace osvm::solana {

hash sha256(std::initializer_list<bytes_view> pieces) noexcept {
  SHA256_CTX state;
  SHA256_Init(&state);
  for (const auto p : pieces) SHA256_Update(&state, p.data(), p.size());
  hash out;
  SHA256_Final(out.bytes.data(), &state);
  return out;
}

hash sha256(bytes_view bytes) noexcept {
  return sha256({bytes});
}

void sha256_steps(hash& start, std::uint64_t count) noexcept {
  // One block of 32 bytes of hash and its fixed padding: a single compression per step.
  std::array<std::uint8_t, 64> block{};
  block[32] = 0x80;
  block[62] = 0x01;  // 256 bits
  SHA256_CTX initial;
  SHA256_Init(&initial);
  std::memcpy(block.data(), start.data(), 32);
  for (std::uint64_t i = 0; i < count; ++i) {
    SHA256_CTX state = initial;
    SHA256_Transform(&state, block.data());
    for (int w = 0; w < 8; ++w) {
      const std::uint32_t v = __builtin_bswap32(static_cast<std::uint32_t>(state.h[w]));
      std::memcpy(block.data() + 4 * w, &v, 4);
    }
  }
  std::memcpy(start.bytes.data(), block.data(), 32);
}

hash signatures_root(std::span<const signature> signatures) {
  if (signatures.empty()) return {};
  static constexpr std::byte leaf[] = {std::byte{0}}, node[] = {std::byte{1}};
  std::vector<hash> level;
  level.reserve(signatures.size());
  for (const auto& s : signatures) level.push_back(sha256({leaf, s.view()}));
  while (level.size() > 1) {
    const std::size_t next = (level.size() + 1) / 2;
    for (std::size_t i = 0; i < next; ++i) {
      const auto& left = level[2 * i];
      const auto& right = 2 * i + 1 < level.size() ? level[2 * i + 1] : left;
      level[i] = sha256({node, left.view(), right.view()});
    }
    level.resize(next);
  }
  return level[0];
}

}  // namespace osvm::solana
