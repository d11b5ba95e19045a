// Builds little-endian account and instruction data for tests.
#pragma once

#include <osvm/solana/keys.hpp>

#include <string>

namespace osvm::solana::test {

class wire_bytes {
 public:
  template <class T>
  wire_bytes& put(T v) {
    bytes_.append(reinterpret_cast<const char*>(&v), sizeof v);
    return *this;
  }
  wire_bytes& u8(unsigned v) { return put(static_cast<std::uint8_t>(v)); }
  wire_bytes& u16(unsigned v) { return put(static_cast<std::uint16_t>(v)); }
  wire_bytes& u32(std::uint32_t v) { return put(v); }
  wire_bytes& u64(std::uint64_t v) { return put(v); }
  wire_bytes& fill(unsigned char b, std::size_t n) {
    bytes_.append(n, static_cast<char>(b));
    return *this;
  }
  wire_bytes& text(std::string_view s) {
    bytes_ += s;
    return *this;
  }
  const std::string& str() const { return bytes_; }
  bytes_view view() const { return as_bytes(bytes_); }

 private:
  std::string bytes_;
};

inline pubkey key_of(unsigned char b) {
  pubkey k;
  k.bytes.fill(b);
  return k;
}

}  // namespace osvm::solana::test
