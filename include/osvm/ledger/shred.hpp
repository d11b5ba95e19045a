// Shreds: the packets that a block travels in and the blockstore keeps. All generations since genesis.
// Formats: anza-xyz/agave `ledger/src/shred.rs`; docs/formats/shred.md.
#pragma once

#include <osvm/ledger/slot_meta.hpp>
#include <osvm/solana/keys.hpp>

#include <span>

namespace osvm::ledger {

enum class shred_kind : std::uint8_t {
  legacy,                   // 0xa5, 0x5a
  genesis,                  // as legacy, without a size field: mainnet's first slots
  merkle,                   // 0x80, 0x40 and the length of the proof
  merkle_chained,           // 0x90, 0x60
  merkle_chained_resigned,  // 0xb0, 0x70
};
std::string_view to_string(shred_kind kind) noexcept;

struct shred_view {
  shred_kind kind = shred_kind::legacy;
  bool data = true;  // or erasure code
  const solana::signature* leader_signature = nullptr;
  slot_t slot = 0;
  std::uint32_t index = 0;
  std::uint16_t version = 0;
  std::uint32_t fec_set_index = 0;
  std::uint8_t proof_size = 0;
  // data
  std::uint16_t parent_offset = 0;
  std::uint8_t flags = 0;
  bytes_view payload{};
  // code
  std::uint16_t num_data = 0, num_code = 0, position = 0;

  bool ends_batch() const noexcept { return data && (flags & 0xc0); }
  bool ends_slot() const noexcept { return data && (flags & 0x80); }
};

// A view into `bytes`, which must outlive it. `genesis_layout` reads legacy shreds without a size field.
// errc::corrupt (of the ledger) for anything that no release has written.
result<shred_view> parse_shred(bytes_view bytes, bool genesis_layout = false);

// The Merkle root of a Merkle shred from its own bytes and proof; errc::unsupported_format for a legacy one.
// Its leader signed exactly this hash.
result<solana::hash> merkle_root(bytes_view bytes);

}  // namespace osvm::ledger
