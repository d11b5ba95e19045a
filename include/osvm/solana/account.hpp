// Accounts as JSON, in every encoding that a validator's JSON-RPC has.
// Shapes and names follow anza-xyz/agave `account-decoder/src/`.
#pragma once

#include <osvm/solana/json_writer.hpp>
#include <osvm/solana/more_decoders.hpp>

#include <optional>
#include <string>
#include <vector>

namespace osvm::solana {

// An account's fields; the data is a view of the caller's.
struct account_view {
  pubkey owner;
  std::uint64_t lamports = 0;
  std::uint64_t rent_epoch = 0;
  bool executable = false;
  bytes_view data{};
};

enum class account_encoding {
  binary,       // base58 text alone: what old clients ask for
  base58,       // [text, "base58"]; at most 128 bytes
  base64,       // [text, "base64"]
  base64_zstd,  // the same, compressed
  json_parsed,  // decoded, or base64 where nothing decodes it
};
std::optional<account_encoding> parse_account_encoding(std::string_view name) noexcept;

// An account's data from one of these texts; errc::malformed, or errc::limit_exceeded above `max_bytes`.
result<std::string> decode_account_data(std::string_view text, account_encoding encoding,
                                        std::size_t max_bytes = 64 << 20);

struct data_slice {
  std::uint64_t offset = 0, length = 0;
};

// Whose field names to write: they differ in stake, rent and config accounts.
enum class account_release { agave_4, agave_3 };

// What a token-2022 mint's amounts are multiplied by, for people.
struct token_interest {
  std::int64_t initialized = 0, updated = 0;  // seconds since 1970
  std::int16_t rate_before = 0, rate = 0;     // basis points
};
struct token_scaling {
  double multiplier = 1, new_multiplier = 1;
  std::int64_t new_from = 0;  // seconds since 1970
};

// How a mint turns raw amounts into what people read.
struct token_mint {
  std::uint64_t supply = 0;
  std::uint8_t decimals = 0;
  std::optional<token_interest> interest_bearing{};
  std::optional<token_scaling> scaled{};
};

// What the fields of one account do not say about it.
struct account_context {
  std::optional<token_mint> mint{};  // of a token account; without it the account is not decoded
  std::int64_t unix_timestamp = 0;   // the cluster's clock, for interest and scaling
  account_release release = account_release::agave_4;
  const more_decoders* more = nullptr;  // null: what validators decode, nothing else
};

// {"parsed":…,"program":…,"space":…}; false, and nothing written, when no decoder understands the account.
bool write_parsed_account(json_writer& out, const pubkey& address, const account_view& account,
                          const account_context& context);
// {"lamports","data","owner","executable","rentEpoch","space"}
void write_account(json_writer& out, const pubkey& address, const account_view& account,
                   account_encoding encoding, const std::optional<data_slice>& slice,
                   const account_context& context);

// Both token programs' accounts. Nothing when the data is none.
std::optional<token_mint> read_token_mint(bytes_view data);
struct token_holding {
  pubkey mint, owner;
  std::uint64_t amount = 0;
  std::optional<pubkey> delegate{};
};
std::optional<token_holding> read_token_holding(bytes_view data);
bool is_token_program(const pubkey& key) noexcept;

// What a vote account of any version that still decodes says about its validator.
struct vote_summary {
  struct credits {
    std::uint64_t epoch = 0, earned = 0, before = 0;
  };
  pubkey node;
  std::uint8_t commission = 0;  // per cent
  std::optional<std::uint64_t> last_vote{}, root{};
  std::vector<credits> history{};  // oldest first
};
std::optional<vote_summary> read_vote_account(bytes_view data);
// {"amount","decimals","uiAmount","uiAmountString"}
void write_token_amount(json_writer& out, std::uint64_t amount, const token_mint& mint,
                        std::int64_t unix_timestamp);

}  // namespace osvm::solana
