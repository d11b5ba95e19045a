// Primer: input is cut into chunks of 1,024 bytes, each hashed block by block into a chaining value; pairs of
// values are the blocks of the tree above. The root's last compression, with a counter, gives the output.
#include <osvm/core/blake3.hpp>

#include <algorithm>

#include "constants.hpp"
#include "kernel.hpp"

namespace osvm {

using namespace blake3_detail;

namespace {

using words16 = std::array<std::uint32_t, 16>;

inline std::uint32_t rotate(std::uint32_t v, int by) {
  return v >> by | v << (32 - by);
}

// One compression; the whole state comes back, its first half is the chaining value.
void compress(const std::array<std::uint32_t, 8>& value, const words16& m, std::uint64_t counter,
              std::uint32_t size, std::uint32_t flags, std::array<std::uint32_t, 8>& out) noexcept {
  std::uint32_t v[16];
  std::copy(value.begin(), value.end(), v);
  std::copy_n(initial, 4, v + 8);
  v[12] = static_cast<std::uint32_t>(counter), v[13] = static_cast<std::uint32_t>(counter >> 32);
  v[14] = size, v[15] = flags;
  const auto mix = [&](int a, int b, int c, int d, std::uint32_t x, std::uint32_t y) {
    v[a] += v[b] + x, v[d] = rotate(v[d] ^ v[a], 16);
    v[c] += v[d], v[b] = rotate(v[b] ^ v[c], 12);
    v[a] += v[b] + y, v[d] = rotate(v[d] ^ v[a], 8);
    v[c] += v[d], v[b] = rotate(v[b] ^ v[c], 7);
  };
  for (const auto& s : schedule) {
    for (int i = 0; i < 4; ++i) mix(i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
    for (int i = 0; i < 4; ++i)
      mix(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
  }
  for (std::size_t i = 0; i < 8; ++i) out[i] = v[i] ^ v[i + 8];
}

words16 load(const std::uint8_t* bytes) {
  words16 out;
  std::memcpy(out.data(), bytes, sizeof out);
  return out;
}

}  // namespace

struct blake3::node {
  words value;
  words16 block;
  std::uint64_t counter = 0;
  std::uint32_t size = block_size, flags = 0;

  words chain() const noexcept {
    words out;
    compress(value, block, counter, size, flags, out);
    return out;
  }
  static node above(const words& left, const words& right) noexcept {
    node n;
    std::copy_n(initial, 8, n.value.begin());
    std::copy(left.begin(), left.end(), n.block.begin());
    std::copy(right.begin(), right.end(), n.block.begin() + 8);
    n.flags = parent;
    return n;
  }
};

blake3::blake3() noexcept {
  std::copy_n(initial, 8, chunk_value_.begin());
}

// A subtree is complete when its number of chunks is a power of two: as many are merged as the new number of
// chunks has zeros at its end.
void blake3::add_chunk(words value) noexcept {
  ++chunks_;
  for (auto n = chunks_; (n & 1) == 0; n >>= 1)
    value = node::above(subtrees_[--subtree_count_], value).chain();
  subtrees_[subtree_count_++] = value;
}

blake3& blake3::update(bytes_view bytes) noexcept {
  const auto* in = reinterpret_cast<const std::uint8_t*>(bytes.data());
  std::size_t left = bytes.size();
  const auto& k = best_kernel();
  while (left != 0) {
    // A full block waits: only what follows tells whether it ends its chunk, or the input.
    if (block_size_ == block_size) {
      const auto flags = (blocks_ == 0 ? chunk_start : 0) | (blocks_ == 15 ? chunk_end : 0);
      compress(chunk_value_, load(block_.data()), chunks_, block_size, flags, chunk_value_);
      block_size_ = 0;
      if (++blocks_ == 16) {
        add_chunk(chunk_value_);
        std::copy_n(initial, 8, chunk_value_.begin());
        blocks_ = 0;
      }
    }
    if (block_size_ == 0 && blocks_ == 0 && left > std::size_t{k.lanes} * chunk_size) {
      std::array<words, 8> values;
      k.chunks(in, chunks_, values[0].data());
      for (unsigned i = 0; i < k.lanes; ++i) add_chunk(values[i]);
      in += std::size_t{k.lanes} * chunk_size, left -= std::size_t{k.lanes} * chunk_size;
      continue;
    }
    const auto part = std::min<std::size_t>(left, block_size - block_size_);
    std::memcpy(block_.data() + block_size_, in, part);
    block_size_ += static_cast<std::uint32_t>(part);
    in += part, left -= part;
  }
  return *this;
}

blake3::node blake3::last_node() const noexcept {
  node n;
  n.value = chunk_value_;
  auto padded = block_;
  std::fill(padded.begin() + block_size_, padded.end(), std::uint8_t{0});
  n.block = load(padded.data());
  n.counter = chunks_;
  n.size = block_size_;
  n.flags = (blocks_ == 0 ? chunk_start : 0) | chunk_end;
  for (auto i = subtree_count_; i-- > 0;) n = node::above(subtrees_[i], n.chain());
  return n;
}

void blake3::finish(std::span<std::byte> out) const noexcept {
  if (out.empty()) return;  // perhaps at null, where memcpy may not be called
  const auto n = last_node();
  if (out.size() <= sizeof(words)) {
    words value;
    compress(n.value, n.block, 0, n.size, n.flags | root, value);
    std::memcpy(out.data(), value.data(), out.size());
    return;
  }
  const auto& k = best_kernel();
  std::array<std::uint32_t, 8 * 16> blocks;
  for (std::uint64_t counter = 0; !out.empty(); counter += k.lanes) {
    k.output(n.value.data(), n.block.data(), n.size, n.flags, counter, blocks.data());
    const auto part = std::min<std::size_t>(out.size(), std::size_t{k.lanes} * block_size);
    std::memcpy(out.data(), blocks.data(), part);
    out = out.subspan(part);
  }
}

std::array<std::byte, 32> blake3_hash(bytes_view bytes) noexcept {
  std::array<std::byte, 32> out;
  blake3().update(bytes).finish(out);
  return out;
}

}  // namespace osvm
