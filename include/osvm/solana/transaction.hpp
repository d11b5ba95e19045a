// Transactions as they lie on the wire: legacy, version 0 and version 1. Parsing copies nothing but small
// tables of views; the wire bytes must outlive what was parsed from them.
//
// Formats: anza-xyz/solana-sdk `message/` (legacy, v0) and SIMD-0385 (v1);
// docs/formats/solana-transaction.md.
#pragma once

#include <osvm/solana/keys.hpp>

#include <optional>
#include <span>
#include <vector>

namespace osvm::solana {

enum class message_version : std::uint8_t {
  legacy,  // no version byte
  v0,      // 0x80: address lookup tables
  v1,      // 0x81: up to 4,096 bytes, no tables, configuration in the message
};

struct message_header {
  std::uint8_t required_signatures = 0;
  std::uint8_t readonly_signed = 0;
  std::uint8_t readonly_unsigned = 0;
};

struct instruction_view {
  std::uint8_t program_index = 0;
  std::span<const std::uint8_t> accounts{};  // indexes into the account keys, loaded ones last
  bytes_view data{};
};

struct lookup_view {
  const pubkey* table = nullptr;
  std::span<const std::uint8_t> writable{};
  std::span<const std::uint8_t> readonly{};
};

// What a version 1 message says about its budget; absent words keep the cluster's defaults.
struct message_config {
  std::uint32_t mask = 0;
  std::optional<std::uint64_t> priority_fee{};
  std::optional<std::uint32_t> compute_unit_limit{};
  std::optional<std::uint32_t> loaded_accounts_limit{};
  std::optional<std::uint32_t> heap_size{};
};

struct message_view {
  message_version version = message_version::legacy;
  message_header header{};
  std::span<const pubkey> keys{};  // static ones
  const hash* blockhash = nullptr;
  std::vector<instruction_view> instructions{};
  std::vector<lookup_view> lookups{};  // v0 only
  message_config config{};             // v1 only
  bytes_view bytes{};                  // what is signed

  std::size_t loaded_writable() const noexcept;
  std::size_t loaded_readonly() const noexcept;
  // For static keys only: whether the header's counts make the key at `index` a signer / writable.
  bool is_signer(std::size_t index) const noexcept { return index < header.required_signatures; }
  bool is_writable_by_header(std::size_t index) const noexcept;
};

struct transaction_view {
  std::span<const signature> signatures{};
  message_view message{};
  std::size_t size = 0;  // bytes of the wire that it took
};

// Limits against hostile bytes; the defaults take everything that a validator takes.
struct transaction_limits {
  std::size_t max_size = 4096;
};

// Reads one transaction from the front of `wire`. Structure only: whether indexes name existing keys is
// sanitize()'s business. errc::malformed, errc::truncated or errc::limit_exceeded. `out` may be reused: its
// tables keep their memory.
result<> parse_transaction(bytes_view wire, transaction_view& out, transaction_limits limits = {});
result<message_view> parse_message(bytes_view bytes);

// What a validator checks before anything else: counts and indexes that do not contradict each other.
result<> sanitize(const transaction_view& tx);
// True when every signature is that of its key over the message.
bool verify_signatures(const transaction_view& tx);
// A vote as block explorers and Agave count it: one or two signatures, legacy, its first instruction is the
// vote program's.
bool is_simple_vote(const transaction_view& tx) noexcept;

// compact-u16

// Seven bits a byte, at most three bytes; no longer form than needed and nothing past 65,535
// (errc::malformed).
result<std::uint16_t> read_compact_u16(byte_reader& in);
void append_compact_u16(std::string& out, std::uint16_t value);

}  // namespace osvm::solana
