#include <osvm/solana/account.hpp>
#include <osvm/solana/programs.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "wire_bytes.hpp"

namespace osvm::solana::test {
namespace {

std::string parsed(const pubkey& owner, const wire_bytes& data, const pubkey& address = key_of(7),
                   account_context context = {}) {
  std::string text;
  json_writer out(text);
  const account_view a{owner, 5, 0, false, data.view()};
  return write_parsed_account(out, address, a, context) ? text : "none";
}

wire_bytes mint(std::uint64_t supply, unsigned decimals) {
  return std::move(wire_bytes{}.u32(1).fill(1, 32).u64(supply).u8(decimals).u8(1).u32(0).fill(0, 32));
}
wire_bytes mint_with_extensions() {
  return std::move(mint(1000, 2).fill(0, 83).u8(1));
}
wire_bytes holding(std::uint64_t amount) {
  return std::move(wire_bytes{}
                       .fill(2, 32)
                       .fill(3, 32)
                       .u64(amount)
                       .u32(0)
                       .fill(0, 32)
                       .u8(1)
                       .u32(0)
                       .u64(0)
                       .u64(0)
                       .u32(0)
                       .fill(0, 32));
}

std::string amount_of(std::uint64_t amount, const token_mint& m, std::int64_t now) {
  std::string text;
  json_writer out(text);
  write_token_amount(out, amount, m, now);
  return text;
}

TEST(account, a_vote_state_of_version_4) {
  wire_bytes v;
  v.u32(3).fill(1, 32).fill(2, 32).fill(3, 32).fill(4, 32).u16(1250).u16(10000).u64(77);
  v.u8(0).u64(1).u8(2).u64(900).u32(31).u8(1).u64(868).u64(1).u64(12).fill(5, 32);
  v.u64(1).u64(11).u64(300).u64(200).u64(900).put(std::int64_t{1700000000});
  EXPECT_EQ(
      parsed(programs::vote, v),
      R"({"parsed":{"info":{"authorizedVoters":[{"authorizedVoter":")" + key_of(5).to_string() +
          R"(","epoch":12}],"authorizedWithdrawer":")" + key_of(2).to_string() +
          R"(","blockRevenueCollector":")" + key_of(4).to_string() +
          R"(","blockRevenueCommissionBps":10000,"blsPubkeyCompressed":null,"commission":13,)"
          R"("epochCredits":[{"credits":"300","epoch":11,"previousCredits":"200"}],)"
          R"("inflationRewardsCollector":")" +
          key_of(3).to_string() +
          R"(","inflationRewardsCommissionBps":1250,"lastTimestamp":{"slot":900,"timestamp":1700000000},)"
          R"("nodePubkey":")" +
          key_of(1).to_string() +
          R"(","pendingDelegatorRewards":"77","priorVoters":[],"rootSlot":868,)"
          R"("votes":[{"confirmationCount":31,"latency":2,"slot":900}]},"type":"vote"},)"
          R"("program":"vote","space":)" +
          std::to_string(v.str().size()) + "}");
  EXPECT_EQ(parsed(programs::vote, wire_bytes{}.u32(0).fill(0, 4000)), "none") << "version 0.23.5";
}

TEST(account, sysvars_by_their_address) {
  const auto clock = wire_bytes{}.u64(10).put(std::int64_t{-5}).u64(2).u64(3).put(std::int64_t{99});
  EXPECT_EQ(parsed(programs::sysvar, clock, programs::sysvar_clock),
            R"({"parsed":{"info":{"epoch":2,"epochStartTimestamp":-5,"leaderScheduleEpoch":3,"slot":10,)"
            R"("unixTimestamp":99},"type":"clock"},"program":"sysvar","space":40})");
  EXPECT_EQ(parsed(programs::sysvar, clock, key_of(1)), "none");
  const auto rent = wire_bytes{}.u64(3480).put(2.0).u8(50);
  EXPECT_EQ(parsed(programs::sysvar, rent, programs::sysvar_rent),
            R"({"parsed":{"info":{"lamportsPerByte":"3480"},"type":"rent"},"program":"sysvar","space":17})");
  account_context old;
  old.release = account_release::agave_3;
  EXPECT_EQ(parsed(programs::sysvar, rent, programs::sysvar_rent, old),
            R"({"parsed":{"info":{"burnPercent":50,"exemptionThreshold":2.0,"lamportsPerByteYear":"3480"},)"
            R"("type":"rent"},"program":"sysvar","space":17})");
  auto rewards = wire_bytes{}.u64(8).u64(2).fill(9, 32);
  rewards.u64(~0ULL).u64(~0ULL).u64(5).u64(4).u8(1);
  EXPECT_NE(parsed(programs::sysvar, rewards, programs::sysvar_epoch_rewards)
                .find(R"("totalPoints":"340282366920938463463374607431768211455")"),
            std::string::npos);
}

TEST(account, a_slot_history_is_a_million_digits) {
  auto h = wire_bytes{}.u8(1).u64(16384).u64(0b101);
  h.fill(0, 16383 * 8).u64(1 << 20).u64(3);
  const auto text = parsed(programs::sysvar, h, programs::sysvar_slot_history);
  EXPECT_NE(text.find(R"("bits":"10100)"), std::string::npos);
  EXPECT_NE(text.find(R"("nextSlot":3)"), std::string::npos);
  EXPECT_EQ(parsed(programs::sysvar, wire_bytes{}.u8(1).u64(1).u64(0).u64(64).u64(3),
                   programs::sysvar_slot_history),
            "none");
}

TEST(account, a_holding_needs_its_mint) {
  EXPECT_EQ(parsed(programs::token, holding(1500)), "none");
  account_context with;
  with.mint = read_token_mint(mint(0, 3).view());
  ASSERT_TRUE(with.mint);
  EXPECT_NE(
      parsed(programs::token, holding(1500), key_of(7), with)
          .find(R"("tokenAmount":{"amount":"1500","decimals":3,"uiAmount":1.5,"uiAmountString":"1.5"})"),
      std::string::npos);
  EXPECT_EQ(read_token_holding(holding(8).view())->owner, key_of(3));
  EXPECT_FALSE(read_token_holding(mint(8, 2).view()));
  EXPECT_FALSE(read_token_mint(holding(8).view()));
}

TEST(account, extensions_that_fit_and_that_do_not) {
  auto m = mint_with_extensions();
  m.u16(3).u16(32).fill(9, 32).u16(9).u16(0);
  m.u16(12).u16(5).fill(1, 5);  // too short for a delegate
  m.u16(11).u16(1).u8(1);       // a holding's, not a mint's
  const auto text = parsed(programs::token_2022, m);
  EXPECT_NE(text.find(R"("extensions":[{"extension":"mintCloseAuthority","state":{"closeAuthority":")" +
                      key_of(9).to_string() +
                      R"("}},{"extension":"nonTransferable"},{"extension":"unparseableExtension"},)"
                      R"({"extension":"unparseableExtension"}])"),
            std::string::npos)
      << text;
  m.u16(500).u16(0);  // an unknown one hides all
  EXPECT_EQ(parsed(programs::token_2022, m).find("extensions"), std::string::npos);
}

TEST(account, free_space_behind_extensions_is_no_error) {
  auto m = mint_with_extensions();
  m.u16(26).u16(33).fill(4, 32).u8(1).fill(0, 50);
  EXPECT_NE(parsed(programs::token_2022, m)
                .find(R"({"extension":"pausableConfig","state":{"authority":")" + key_of(4).to_string() +
                      R"(","paused":true}})"),
            std::string::npos);
}

// The figures are those of the token program's own tests.
TEST(account, amounts_with_interest_and_scaling) {
  constexpr std::int64_t year = 31556736;
  token_mint m{.supply = 0, .decimals = 18};
  m.interest_bearing = token_interest{.initialized = 0, .updated = 0, .rate_before = 500, .rate = 500};
  EXPECT_NE(amount_of(1000000000000000000, m, year).find(R"("uiAmountString":"1.051271096376024117)"),
            std::string::npos)
      << amount_of(1000000000000000000, m, year);
  m.interest_bearing->updated = INT64_MIN;
  m.interest_bearing->initialized = INT64_MAX;
  EXPECT_NE(amount_of(1, m, year).find(R"("uiAmount":null,"uiAmountString":"")"), std::string::npos);
  token_mint s{.supply = 0, .decimals = 2};
  s.scaled = token_scaling{.multiplier = 2, .new_multiplier = 3, .new_from = 100};
  EXPECT_EQ(amount_of(150, s, 99), R"({"amount":"150","decimals":2,"uiAmount":3.0,"uiAmountString":"3"})");
  EXPECT_EQ(amount_of(150, s, 100), R"({"amount":"150","decimals":2,"uiAmount":4.5,"uiAmountString":"4.5"})");
}

TEST(account, every_encoding) {
  const auto data = wire_bytes{}.text("test data");
  const account_view a{programs::system, 5, ~0ULL, true, data.view()};
  const auto as = [&](account_encoding e, std::optional<data_slice> slice = {}) {
    std::string text;
    json_writer out(text);
    write_account(out, key_of(1), a, e, slice, {});
    return text.substr(0, text.find(",\"owner\""));
  };
  EXPECT_EQ(as(account_encoding::binary), R"({"lamports":5,"data":"2Uw1bpnsXxu3e")");
  EXPECT_EQ(as(account_encoding::base58), R"({"lamports":5,"data":["2Uw1bpnsXxu3e","base58"])");
  EXPECT_EQ(as(account_encoding::base64), R"({"lamports":5,"data":["dGVzdCBkYXRh","base64"])");
  EXPECT_EQ(as(account_encoding::json_parsed), R"({"lamports":5,"data":["dGVzdCBkYXRh","base64"])");
  EXPECT_EQ(as(account_encoding::base64, data_slice{5, 100}),
            R"({"lamports":5,"data":["ZGF0YQ==","base64"])");
  EXPECT_EQ(as(account_encoding::base64, data_slice{50, 1}), R"({"lamports":5,"data":["","base64"])");
  // Made by validators' encoder: a frame without the content's size.
  EXPECT_EQ(as(account_encoding::base64_zstd),
            R"({"lamports":5,"data":["KLUv/QBYSQAAdGVzdCBkYXRh","base64+zstd"])");
}

// No prefix of an account, and none with a byte changed, reads outside itself or writes half an object.
TEST(account, survives_damage) {
  auto m = mint_with_extensions();
  m.u16(19).u16(80).fill(1, 64).u32(2).text("ab").u32(0).u32(0).u32(0);
  std::mt19937 random(3);
  for (std::size_t n = 0; n <= m.str().size(); ++n) {
    auto cut = m.str().substr(0, n);
    if (n) cut[random() % n] = static_cast<char>(random());
    const auto text = parsed(programs::token_2022, wire_bytes{}.text(cut));
    EXPECT_EQ(std::ranges::count(text, '{'), std::ranges::count(text, '}'));
  }
}

}  // namespace
}  // namespace osvm::solana::test
