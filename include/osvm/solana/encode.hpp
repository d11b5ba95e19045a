// Transactions and what happened to them as JSON, in every encoding that a validator's JSON-RPC has.
#pragma once

#include <osvm/solana/json_writer.hpp>
#include <osvm/solana/meta.hpp>
#include <osvm/solana/more_decoders.hpp>
#include <osvm/solana/transaction.hpp>

#include <optional>

namespace osvm::solana {

enum class transaction_encoding {
  binary,       // base58 text alone: what old clients ask for
  base58,       // [text, "base58"]
  base64,       // [text, "base64"]
  json,         // the message's fields
  json_parsed,  // the same with decoded instructions
};
enum class transaction_details {
  full,        // transactions and what was recorded about them
  accounts,    // signatures and annotated account keys
  signatures,  // signatures alone
  none,
};
std::optional<transaction_encoding> parse_encoding(std::string_view name) noexcept;
std::optional<transaction_details> parse_details(std::string_view name) noexcept;

struct encode_options {
  transaction_encoding encoding = transaction_encoding::json;
  bool rewards = true;
  // Versions up to this one may appear and are named; none: legacy ones only, and no `version` field.
  std::optional<std::uint8_t> max_version{};
  // As releases before 1.15 wrote it: without stackHeight and an account key's source.
  bool without_stack_height = false;
  // With json_parsed: more programs' instructions, "events" of programs' logs behind "logMessages", and the
  // name of a program's own error as "customError" behind "err". Null: as validators write it.
  const more_decoders* more = nullptr;
};

// The keys that instruction indexes mean: static ones, then loaded writable, then loaded readonly.
class account_keys {
 public:
  account_keys(std::span<const pubkey> fixed, const transaction_meta* meta) noexcept
      : fixed_(fixed), meta_(meta) {}
  std::size_t size() const noexcept {
    return fixed_.size() + (meta_ ? meta_->loaded_writable.size() + meta_->loaded_readonly.size() : 0);
  }
  // Null when the index is out of range.
  const pubkey* find(std::size_t index) const noexcept;

 private:
  std::span<const pubkey> fixed_;
  const transaction_meta* meta_;
};

// {"transaction":…,"meta":…,"version":…} without the braces, so that a caller may add fields. `meta` may be
// null. errc::unsupported when the transaction's version is above max_version; the context is the validator's
// message.
result<> write_transaction_fields(json_writer& out, bytes_view wire, const transaction_view& tx,
                                  const transaction_meta* meta, const encode_options& options);
// The same for details "accounts".
result<> write_transaction_accounts(json_writer& out, const transaction_view& tx,
                                    const transaction_meta* meta, const encode_options& options);
// An array of rewards.
void write_rewards(json_writer& out, std::span<const reward> rewards);

// One instruction: {"program","programId","parsed","stackHeight"} when its program is known and its data well
// formed, else {"programId","accounts","data","stackHeight"}.
void write_instruction(json_writer& out, std::size_t program_index, std::span<const std::uint8_t> accounts,
                       bytes_view data, const account_keys& keys, std::optional<std::uint32_t> stack_height,
                       bool show_stack_height = true, const more_decoders* more = nullptr);

}  // namespace osvm::solana
