// The blockstore's row keys. Numbers are big-endian, so that rows lie in the order of their slots.
#pragma once

#include <osvm/ledger/slot_meta.hpp>
#include <osvm/solana/keys.hpp>

#include <optional>
#include <string>

namespace osvm::ledger::keys {

inline void append_u64(std::string& out, std::uint64_t v) {
  v = __builtin_bswap64(v);
  out.append(reinterpret_cast<const char*>(&v), 8);
}
// `key` has eight bytes at least.
inline std::uint64_t read_u64(std::string_view key) noexcept {
  std::uint64_t v;
  std::memcpy(&v, key.data(), 8);
  return __builtin_bswap64(v);
}
template <std::size_t N, class Tag>
void append(std::string& out, const solana::fixed_bytes<N, Tag>& v) {
  out.append(reinterpret_cast<const char*>(v.data()), N);
}

inline std::string slot(slot_t s) {
  std::string out;
  append_u64(out, s);
  return out;
}
inline std::string shred(slot_t s, std::uint64_t index) {
  std::string out = slot(s);
  append_u64(out, index);
  return out;
}

// transaction_status: signature ∥ slot; before 2.0: primary index ∥ signature ∥ slot
inline std::string status_prefix(const solana::signature& s) {
  std::string out;
  append(out, s);
  return out;
}
inline std::string status(const solana::signature& s, slot_t at) {
  std::string out = status_prefix(s);
  append_u64(out, at);
  return out;
}
inline std::string old_status_prefix(std::uint64_t primary, const solana::signature& s) {
  std::string out;
  append_u64(out, primary);
  append(out, s);
  return out;
}
inline std::string old_status(std::uint64_t primary, const solana::signature& s, slot_t at) {
  std::string out = old_status_prefix(primary, s);
  append_u64(out, at);
  return out;
}

// address_signatures: address ∥ slot ∥ index u32 ∥ signature; before: primary ∥ address ∥ slot ∥
// signature ---
inline std::string address(const solana::pubkey& a, slot_t at, std::uint32_t index,
                           const solana::signature& s) {
  std::string out;
  append(out, a);
  append_u64(out, at);
  index = __builtin_bswap32(index);
  out.append(reinterpret_cast<const char*>(&index), 4);
  append(out, s);
  return out;
}
inline std::string address_end(const solana::pubkey& a, slot_t last) {
  std::string out;
  append(out, a);
  append_u64(out, last);
  return out + std::string(68, '\xff');
}
inline std::string old_address_prefix(std::uint64_t primary, const solana::pubkey& a) {
  std::string out;
  append_u64(out, primary);
  append(out, a);
  return out;
}
inline std::string old_address_end(std::uint64_t primary, const solana::pubkey& a, slot_t last) {
  std::string out = old_address_prefix(primary, a);
  append_u64(out, last);
  return out + std::string(64, '\xff');
}

struct address_key {
  solana::pubkey address;
  slot_t slot = 0;
  std::optional<std::uint32_t> transaction_index;
  solana::signature signature;
};
inline std::optional<address_key> read_address(std::string_view key) {
  if (key.size() != 108) return std::nullopt;
  address_key out;
  std::memcpy(out.address.bytes.data(), key.data(), 32);
  out.slot = read_u64(key.substr(32));
  std::uint32_t index;
  std::memcpy(&index, key.data() + 40, 4);
  out.transaction_index = __builtin_bswap32(index);
  std::memcpy(out.signature.bytes.data(), key.data() + 44, 64);
  return out;
}
inline std::optional<address_key> read_old_address(std::string_view key) {
  if (key.size() != 112) return std::nullopt;
  address_key out;
  std::memcpy(out.address.bytes.data(), key.data() + 8, 32);
  out.slot = read_u64(key.substr(40));
  std::memcpy(out.signature.bytes.data(), key.data() + 48, 64);
  return out;
}

}  // namespace osvm::ledger::keys
