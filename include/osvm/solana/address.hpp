// Addresses that programs derive: no private key exists for them since they lie off the Ed25519 curve.
#pragma once

#include <osvm/solana/keys.hpp>

#include <span>
#include <utility>

namespace osvm::solana {

// True when the bytes are the compressed form of a point of the curve, so that a private key may exist.
bool on_curve(const pubkey& key) noexcept;

// The address of `seeds` (at most 16, each at most 32 bytes, else errc::limit_exceeded) under `program`;
// errc::invalid_argument when it falls on the curve.
result<pubkey> create_program_address(std::span<const bytes_view> seeds, const pubkey& program);
// The first bump seed from 255 down that gives an address, and that address.
result<std::pair<pubkey, std::uint8_t>> find_program_address(std::span<const bytes_view> seeds,
                                                             const pubkey& program);
// SHA-256(base ∥ seed ∥ owner); the seed has at most 32 bytes.
result<pubkey> create_with_seed(const pubkey& base, std::string_view seed, const pubkey& owner);
// Where wallets keep `owner`'s tokens of `mint`.
result<pubkey> associated_token_address(const pubkey& owner, const pubkey& mint, const pubkey& token_program);

}  // namespace osvm::solana
