// What a validator recorded about an executed transaction, and a block's rewards: the protobuf messages
// TransactionStatusMeta and Rewards of `solana.storage.ConfirmedBlock`. docs/formats/solana-status-meta.md.
#pragma once

#include <osvm/solana/status.hpp>

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace osvm::solana {

struct inner_instruction {
  std::uint32_t program_index = 0;
  std::span<const std::uint8_t> accounts{};
  bytes_view data{};
  std::optional<std::uint32_t> stack_height{};
};

struct inner_instructions {
  std::uint32_t index = 0;  // of the outer instruction
  std::vector<inner_instruction> instructions{};
};

struct token_balance {
  std::uint32_t account_index = 0;
  std::string_view mint{}, owner{}, program_id{};  // base58 as stored
  double ui_amount = 0;
  std::uint32_t decimals = 0;
  std::string_view amount{}, ui_amount_string{};
};

enum class reward_type : std::uint8_t { unspecified, fee, rent, staking, voting, deactivated_stake };
std::string_view to_string(reward_type t) noexcept;  // "Fee"…, empty for unspecified

struct reward {
  std::string_view address{};
  std::int64_t lamports = 0;
  std::uint64_t post_balance = 0;
  reward_type type = reward_type::unspecified;
  std::string_view commission{}, commission_bps{};  // decimal, empty for none
};

struct return_data {
  bytes_view program_id{}, data{};
};

// Views into the message's bytes, which must outlive it.
struct transaction_meta {
  std::optional<transaction_error> err{};
  std::uint64_t fee = 0;
  std::vector<std::uint64_t> pre_balances{}, post_balances{};
  std::optional<std::vector<inner_instructions>> inner{};
  std::optional<std::vector<std::string_view>> logs{};
  std::vector<token_balance> pre_token_balances{}, post_token_balances{};
  std::vector<reward> rewards{};
  std::vector<pubkey> loaded_writable{}, loaded_readonly{};
  std::optional<return_data> returned{};
  std::optional<std::uint64_t> compute_units{}, cost_units{};
};

struct block_rewards {
  std::vector<reward> rewards{};
  std::optional<std::uint64_t> num_partitions{};
};

// errc::malformed, errc::truncated, or errc::limit_exceeded past the limits of one message (64 MiB, 2^20
// elements).
result<transaction_meta> parse_transaction_meta(bytes_view protobuf);
// The same into `out`, whose tables keep their memory. After an error `out` is of no use.
result<> read_transaction_meta(bytes_view protobuf, transaction_meta& out);
result<block_rewards> parse_rewards(bytes_view protobuf);
// The error alone, without reading the rest: what getSignaturesForAddress needs. Of either form.
result<std::optional<transaction_error>> parse_meta_error(bytes_view status);

// Before validator release 1.5 both were bincode. These give the protobuf messages that say the same;
// errc::malformed, errc::limit_exceeded past 64 MiB.
result<std::string> rewrite_old_meta(bytes_view bincode);
result<std::string> rewrite_old_rewards(bytes_view bincode);

}  // namespace osvm::solana
