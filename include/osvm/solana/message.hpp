// Building and signing transactions: the same bytes that Solana's own libraries make of the same wishes.
#pragma once

#include <osvm/solana/ed25519.hpp>
#include <osvm/solana/transaction.hpp>

#include <string>

namespace osvm::solana {

struct account_meta {
  pubkey key;
  bool signer = false, writable = false;
};

struct instruction {
  pubkey program;
  std::vector<account_meta> accounts{};
  std::string data{};  // bytes
};

// An address lookup table as it stands on the chain.
struct lookup_table {
  pubkey address;
  std::vector<pubkey> entries{};
};

struct message_plan {
  pubkey payer;  // the first signer, who pays
  std::vector<instruction> instructions{};
  hash blockhash;  // a recent one, or a durable nonce (see with_nonce())
  message_version version = message_version::legacy;
  std::vector<lookup_table> tables{};  // version 0 only: keys found there need no place in the message
  message_config config{};             // version 1 only; the mask follows from what is set
};

// The bytes that are signed. Keys stand as validators' libraries put them: the payer, then by what they may
// do, then by value. errc::limit_exceeded when there are more than 256 keys or the transaction would have
// more than 1,232 bytes (version 1: 64 keys, 64 instructions, 12 signers, 4,096 bytes),
// errc::invalid_argument for tables in another version than 0, a configuration in another than 1, or a heap
// that no validator gives.
result<std::string> build_message(const message_plan& plan);

// The wire form of a signed transaction. errc::not_found names a required signer whose key is not there;
// `message` is checked as validators check it.
result<std::string> sign_message(std::string_view message, std::span<const keypair* const> keys);
// The same with the signatures that can be made; the others are zero, for somebody else to add.
result<std::string> sign_partly(std::string_view message, std::span<const keypair* const> keys);
// Adds or replaces the signatures of `keys` in a transaction.
result<std::string> add_signatures(std::string_view transaction, std::span<const keypair* const> keys);

// Durable nonces: a transaction that starts by advancing a nonce account stays valid until the nonce is used.

struct nonce_state {
  pubkey authority;
  hash nonce;  // what stands in place of the blockhash
  std::uint64_t lamports_per_signature = 0;
};
// The data of a nonce account (80 bytes). errc::malformed when it is none, errc::not_found when it is not
// initialised, errc::unsupported for the legacy version, whose nonces validators no longer take.
result<nonce_state> read_nonce(bytes_view account_data);
// The plan with its nonce advanced first, and the nonce for a blockhash.
message_plan with_nonce(message_plan plan, const pubkey& nonce_account, const nonce_state& state);
// Whether the message uses a durable nonce.
bool uses_nonce(const message_view& m) noexcept;

// Instructions that wallets need.
namespace instructions {

instruction transfer(const pubkey& from, const pubkey& to, std::uint64_t lamports);

struct new_account {
  pubkey from, address;  // both sign
  std::uint64_t lamports = 0, space = 0;
  pubkey owner;
};
instruction create_account(const new_account& a);
instruction advance_nonce(const pubkey& nonce, const pubkey& authority);
instruction initialize_nonce(const pubkey& nonce, const pubkey& authority);
instruction authorize_nonce(const pubkey& nonce, const pubkey& authority, const pubkey& next_authority);
struct nonce_withdrawal {
  pubkey nonce, authority, to;
  std::uint64_t lamports = 0;
};
instruction withdraw_nonce(const nonce_withdrawal& w);
instruction compute_unit_limit(std::uint32_t units);
instruction compute_unit_price(std::uint64_t micro_lamports);
// `signers` may be empty.
instruction memo(std::string_view text, std::span<const pubkey> signers = {});

}  // namespace instructions
}  // namespace osvm::solana
