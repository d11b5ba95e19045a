// BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs), the plain hash with output of any length. Several
// chunks of input, and several blocks of output, are computed side by side with what the processor has.
#pragma once

#include <osvm/core/bytes.hpp>

#include <array>

namespace osvm {

// Takes input in pieces. A value: copying it forks the computation. Not thread-safe.
class blake3 final {
 public:
  blake3() noexcept;
  blake3& update(bytes_view bytes) noexcept;
  // As many bytes as `out` has room for. The hasher may go on afterwards.
  void finish(std::span<std::byte> out) const noexcept;

 private:
  using words = std::array<std::uint32_t, 8>;
  struct node;  // what makes a chaining value or the root's output
  node last_node() const noexcept;
  void add_chunk(words value) noexcept;

  words chunk_value_;  // of the chunk that is being read
  std::array<std::uint8_t, 64> block_{};
  std::uint32_t block_size_ = 0;
  std::uint32_t blocks_ = 0;          // of this chunk, that went into chunk_value_
  std::uint64_t chunks_ = 0;          // before this one
  std::array<words, 54> subtrees_{};  // of complete subtrees, the largest first
  std::uint32_t subtree_count_ = 0;
};

std::array<std::byte, 32> blake3_hash(bytes_view bytes) noexcept;

}  // namespace osvm
