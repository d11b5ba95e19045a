#include <osvm/solana/status.hpp>

#include <gtest/gtest.h>

namespace osvm::solana {
namespace {

std::string json(const transaction_error& e) {
  std::string text;
  json_writer out(text);
  write_json(out, e);
  return text;
}

std::string_view sv(const char* p, std::size_t n) {
  return {p, n};
}

TEST(status, reads_and_prints_as_validators_do) {
  const auto custom = *parse_transaction_error(as_bytes(sv("\x08\0\0\0\x02\x19\0\0\0\x71\x17\0\0", 13)));
  EXPECT_EQ(json(custom), R"({"InstructionError":[2,{"Custom":6001}]})");
  EXPECT_EQ(to_string(custom), "Error processing Instruction 2: custom program error: 0x1771");
  const auto plain = *parse_transaction_error(as_bytes(sv("\0\0\0\0", 4)));
  EXPECT_EQ(json(plain), R"("AccountInUse")");
  EXPECT_EQ(to_string(plain), "Account in use");
  const auto rent = *parse_transaction_error(as_bytes(sv("\x1f\0\0\0\x03", 5)));
  EXPECT_EQ(json(rent), R"({"InsufficientFundsForRent":{"account_index":3}})");
  EXPECT_EQ(to_string(rent), "Transaction results in an account (3) with insufficient funds for rent");
  const auto twice = *parse_transaction_error(as_bytes(sv("\x1e\0\0\0\x2a", 5)));
  EXPECT_EQ(json(twice), R"({"DuplicateInstruction":42})");
  const auto owner = *parse_transaction_error(as_bytes(sv("\x08\0\0\0\x00\x31\0\0\0", 9)));
  EXPECT_EQ(json(owner), R"({"InstructionError":[0,"IllegalOwner"]})");
}

TEST(status, borsh_error_with_and_without_its_old_text) {
  const auto old =
      *parse_transaction_error(as_bytes(sv("\x08\0\0\0\x01\x2c\0\0\0\x07\0\0\0\0\0\0\0error.1", 24)));
  EXPECT_EQ(json(old), R"({"InstructionError":[1,{"BorshIoError":"error.1"}]})");
  const auto now = *parse_transaction_error(as_bytes(sv("\x08\0\0\0\x01\x2c\0\0\0", 9)));
  EXPECT_EQ(json(now), R"({"InstructionError":[1,{"BorshIoError":"Unknown"}]})");
}

TEST(status, every_number_survives_the_way_there_and_back) {
  for (std::uint32_t kind = 0; kind < 39; ++kind) {
    for (std::uint32_t inner = 0; inner < (kind == 8 ? 55u : 1u); ++inner) {
      transaction_error e{.kind = kind};
      if (kind == 8) e.instruction_kind = inner, e.index = 7;
      if (inner == transaction_error::custom_error) e.custom = 99;
      const auto text = encode_transaction_error(e);
      const auto back = parse_transaction_error(as_bytes(text));
      ASSERT_TRUE(back);
      EXPECT_EQ(*back, e);
      for (std::size_t n = 0; n < text.size(); ++n)
        EXPECT_FALSE(parse_transaction_error(as_bytes(std::string_view(text).substr(0, n))));
    }
  }
  EXPECT_FALSE(parse_transaction_error(as_bytes(sv("\x27\0\0\0", 4))));
  EXPECT_FALSE(parse_transaction_error(as_bytes(sv("\x08\0\0\0\0\x37\0\0\0", 9))));
  EXPECT_EQ(transaction_error_kind("CommitCancelled"), 38u);
  EXPECT_FALSE(instruction_error_kind("Nope"));
}

}  // namespace
}  // namespace osvm::solana
