// SHA-256 and the two Merkle-like uses of it on the wire: Proof of History and its mixins.
#pragma once

#include <osvm/solana/keys.hpp>

#include <initializer_list>
#include <span>

namespace osvm::solana {

hash sha256(bytes_view bytes) noexcept;
// Of the pieces one after the other.
hash sha256(std::initializer_list<bytes_view> pieces) noexcept;

// `start` hashed onto itself `count` times: the ticking of Proof of History.
hash poh_ticks(hash start, std::uint64_t count) noexcept;
// The hash that an entry's transactions mix in: Merkle root of their signatures (leaf prefix 0, node prefix
// 1, an odd node paired with itself). All zero for none.
hash signatures_root(std::span<const signature> signatures);

}  // namespace osvm::solana
