// Addresses that every cluster knows, decoded by the compiler from their base58 text.
#pragma once

#include <osvm/solana/keys.hpp>

namespace osvm::solana::programs {

namespace detail {
// Base58 of 32 bytes at compile time; a wrong text does not compile.
consteval pubkey address(std::string_view text) {
  constexpr std::string_view alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  pubkey out;
  for (const char c : text) {
    auto carry = static_cast<unsigned>(alphabet.find(c));
    if (carry >= 58) throw "not base58";
    for (std::size_t i = 32; i-- > 0;) {
      carry += out.bytes[i] * 58U;
      out.bytes[i] = static_cast<std::uint8_t>(carry);
      carry >>= 8;
    }
    if (carry) throw "more than 32 bytes";
  }
  return out;
}
}  // namespace detail

inline constexpr pubkey system = detail::address("11111111111111111111111111111111");
inline constexpr pubkey vote = detail::address("Vote111111111111111111111111111111111111111");
inline constexpr pubkey stake = detail::address("Stake11111111111111111111111111111111111111");
inline constexpr pubkey stake_config = detail::address("StakeConfig11111111111111111111111111111111");
inline constexpr pubkey config = detail::address("Config1111111111111111111111111111111111111");
inline constexpr pubkey compute_budget = detail::address("ComputeBudget111111111111111111111111111111");
inline constexpr pubkey address_lookup_table = detail::address("AddressLookupTab1e1111111111111111111111111");
inline constexpr pubkey bpf_loader_deprecated =
    detail::address("BPFLoader1111111111111111111111111111111111");
inline constexpr pubkey bpf_loader = detail::address("BPFLoader2111111111111111111111111111111111");
inline constexpr pubkey bpf_loader_upgradeable =
    detail::address("BPFLoaderUpgradeab1e11111111111111111111111");
inline constexpr pubkey loader_v4 = detail::address("LoaderV411111111111111111111111111111111111");
inline constexpr pubkey native_loader = detail::address("NativeLoader1111111111111111111111111111111");
inline constexpr pubkey token = detail::address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
inline constexpr pubkey token_2022 = detail::address("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
inline constexpr pubkey associated_token = detail::address("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
inline constexpr pubkey memo_v1 = detail::address("Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo");
inline constexpr pubkey memo_v3 = detail::address("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr");
inline constexpr pubkey memo_v4 = detail::address("Memo4c2pN8afCj432Lb7RMVKi9PbQnnW7ewFFaV3oAH");
inline constexpr pubkey metaplex_metadata = detail::address("metaqbxxUerdq28cj1RbAWkYQm3ybzjb6a8bt518x1s");
inline constexpr pubkey name_service = detail::address("namesLPneVptA9Z5rqUDD9tMTWEJwofgaYwp8cawRkX");
inline constexpr pubkey program_metadata = detail::address("ProgM6JCCvbYkfKqJYHePx4xxSUSqJp7rh8Lyv7nk7S");
inline constexpr pubkey sysvar_clock = detail::address("SysvarC1ock11111111111111111111111111111111");
inline constexpr pubkey sysvar_rent = detail::address("SysvarRent111111111111111111111111111111111");
inline constexpr pubkey sysvar_epoch_schedule =
    detail::address("SysvarEpochSchedu1e111111111111111111111111");
inline constexpr pubkey sysvar_fees = detail::address("SysvarFees111111111111111111111111111111111");
inline constexpr pubkey sysvar_recent_blockhashes =
    detail::address("SysvarRecentB1ockHashes11111111111111111111");
inline constexpr pubkey sysvar_rewards = detail::address("SysvarRewards111111111111111111111111111111");
inline constexpr pubkey sysvar_slot_hashes = detail::address("SysvarS1otHashes111111111111111111111111111");
inline constexpr pubkey sysvar_slot_history = detail::address("SysvarS1otHistory11111111111111111111111111");
inline constexpr pubkey sysvar_stake_history = detail::address("SysvarStakeHistory1111111111111111111111111");
inline constexpr pubkey sysvar_last_restart_slot =
    detail::address("SysvarLastRestartS1ot1111111111111111111111");
inline constexpr pubkey sysvar_epoch_rewards = detail::address("SysvarEpochRewards1111111111111111111111111");
inline constexpr pubkey sysvar_instructions = detail::address("Sysvar1nstructions1111111111111111111111111");
inline constexpr pubkey sysvar = detail::address("Sysvar1111111111111111111111111111111111111");
inline constexpr pubkey native_mint = detail::address("So11111111111111111111111111111111111111112");
inline constexpr pubkey ed25519_program = detail::address("Ed25519SigVerify111111111111111111111111111");
inline constexpr pubkey secp256k1_program = detail::address("KeccakSecp256k11111111111111111111111111111");
inline constexpr pubkey secp256r1_program = detail::address("Secp256r1SigVerify1111111111111111111111111");
inline constexpr pubkey feature = detail::address("Feature111111111111111111111111111111111111");
inline constexpr pubkey zk_elgamal_proof = detail::address("ZkE1Gama1Proof11111111111111111111111111111");
inline constexpr pubkey zk_token_proof = detail::address("ZkTokenProof1111111111111111111111111111111");

}  // namespace osvm::solana::programs
