// Why a transaction failed: the runtime's errors on the wire (bincode), in JSON and as validators print them.
#pragma once

#include <osvm/solana/json_writer.hpp>

#include <optional>
#include <string>

namespace osvm::solana {

// A value. The numbers are those of the wire.
struct transaction_error {
  std::uint32_t kind = 0;
  std::uint8_t index = 0;              // instruction or account, for kinds that name one
  std::uint32_t instruction_kind = 0;  // for instruction_error
  std::uint32_t custom = 0;            // for instruction_kind custom_error
  std::string text{};                  // old rows store a text with BorshIoError

  static constexpr std::uint32_t instruction_error = 8, duplicate_instruction = 30, rent = 31,
                                 restricted = 35;
  static constexpr std::uint32_t custom_error = 25, borsh_io_error = 44;

  friend bool operator==(const transaction_error&, const transaction_error&) = default;
};

// errc::malformed for a number that no release knows.
result<transaction_error> parse_transaction_error(bytes_view bincode);
// The same where more follows.
result<transaction_error> read_transaction_error(byte_reader& bincode);
std::string encode_transaction_error(const transaction_error& e);
// "AccountInUse", {"InstructionError":[2,{"Custom":6001}]}, {"InsufficientFundsForRent":{"account_index":3}}
void write_json(json_writer& out, const transaction_error& e);
// "Error processing Instruction 2: custom program error: 0x1771"
std::string to_string(const transaction_error& e);
// The numbers of the names, for readers of JSON.
std::optional<std::uint32_t> transaction_error_kind(std::string_view name) noexcept;
std::optional<std::uint32_t> instruction_error_kind(std::string_view name) noexcept;

}  // namespace osvm::solana
