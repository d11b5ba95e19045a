// Statuses and rewards from before protobuf. The first status has the form of votes in mainnet's epoch 39.
#include <osvm/solana/meta.hpp>

#include <gtest/gtest.h>

#include "wire_bytes.hpp"

namespace osvm::solana {
namespace {

using test::wire_bytes;

constexpr std::string_view vote_program = "Vote111111111111111111111111111111111111111";

wire_bytes& text(wire_bytes& to, std::string_view v) {
  return to.u64(v.size()).text(v);
}

wire_bytes vote() {
  wire_bytes b;
  b.u32(0).u64(5000);
  for (const std::uint64_t paid : {0, 5000})
    b.u64(5).u64(427554571440 - paid).u64(26858640).u64(1).u64(1).u64(1);
  return b;
}

// A status with all that releases have put behind the balances.
wire_bytes whole(bool heights) {
  auto b = vote();
  b.u8(1).u64(1).u8(3).u64(2);  // instruction 3 called two
  for (const std::string_view data : {"data", ""}) {
    b.u8(4).u8(2).text(std::string_view("\0\1", 2)).u8(static_cast<unsigned>(data.size())).text(data);
    if (heights) b.u8(1).u32(2);
  }
  text(text(b.u8(1).u64(2), "Program log: a"), "");
  text(b.u8(1).u64(1).u8(1), "So11111111111111111111111111111111111111112").put(1.5).u8(9);
  text(b, "1500000000").u8(0);  // and no token balances afterwards
  text(b.u8(1).u64(1), vote_program).put(std::int64_t{-7}).u64(93).u8(1).u32(3).u8(1).u8(10);
  b.u8(1).fill(7, 32).u64(3).text("abc");  // returned data
  return b.u8(1).u64(1400).u8(0);          // compute units; cost units are not known
}

TEST(old_meta, a_status_of_balances_alone) {
  const auto b = vote();
  ASSERT_EQ(b.str().size(), 108U);
  EXPECT_FALSE(parse_transaction_meta(b.view())) << "it is no protobuf message";
  const auto message = rewrite_old_meta(b.view()).value();
  const auto meta = parse_transaction_meta(as_bytes(message)).value();
  EXPECT_FALSE(meta.err);
  EXPECT_EQ(meta.fee, 5000U);
  EXPECT_EQ(meta.pre_balances, (std::vector<std::uint64_t>{427554571440, 26858640, 1, 1, 1}));
  EXPECT_EQ(meta.post_balances, (std::vector<std::uint64_t>{427554566440, 26858640, 1, 1, 1}));
  EXPECT_FALSE(meta.inner) << "not recorded, which is null and not an empty list";
  EXPECT_FALSE(meta.logs);
  EXPECT_FALSE(meta.returned);
  EXPECT_FALSE(parse_meta_error(b.view()).value());
}

TEST(old_meta, a_failure_keeps_its_error) {
  wire_bytes b;
  b.u32(1).u32(8).u8(2).u32(25).u32(6001);  // instruction 2: custom 6001
  b.u64(5000).u64(0).u64(0);
  const auto message = rewrite_old_meta(b.view()).value();
  const auto meta = parse_transaction_meta(as_bytes(message)).value();
  ASSERT_TRUE(meta.err);
  EXPECT_EQ(to_string(*meta.err), "Error processing Instruction 2: custom program error: 0x1771");
  EXPECT_EQ(meta.fee, 5000U);
  EXPECT_EQ(parse_meta_error(b.view()).value(), meta.err);
}

TEST(old_meta, everything_that_came_later) {
  for (const bool heights : {false, true}) {
    const auto message = rewrite_old_meta(whole(heights).view()).value();
    const auto meta = parse_transaction_meta(as_bytes(message)).value();
    ASSERT_TRUE(meta.inner && meta.inner->size() == 1);
    const auto& inner = meta.inner->front();
    EXPECT_EQ(inner.index, 3U);
    ASSERT_EQ(inner.instructions.size(), 2U);
    EXPECT_EQ(inner.instructions[0].program_index, 4U);
    EXPECT_EQ(inner.instructions[0].accounts.size(), 2U);
    EXPECT_EQ(inner.instructions[0].data.size(), 4U);
    EXPECT_EQ(inner.instructions[1].stack_height, heights ? std::optional(2U) : std::nullopt);
    ASSERT_TRUE(meta.logs);
    EXPECT_EQ(*meta.logs, (std::vector<std::string_view>{"Program log: a", ""}));
    ASSERT_EQ(meta.pre_token_balances.size(), 1U);
    EXPECT_EQ(meta.pre_token_balances[0].amount, "1500000000");
    EXPECT_EQ(meta.pre_token_balances[0].decimals, 9U);
    EXPECT_EQ(meta.pre_token_balances[0].ui_amount, 1.5);
    EXPECT_TRUE(meta.post_token_balances.empty());
    ASSERT_EQ(meta.rewards.size(), 1U);
    EXPECT_EQ(meta.rewards[0].address, vote_program);
    EXPECT_EQ(meta.rewards[0].lamports, -7);
    EXPECT_EQ(meta.rewards[0].post_balance, 93U);
    EXPECT_EQ(meta.rewards[0].type, reward_type::voting);
    EXPECT_EQ(meta.rewards[0].commission, "10");
    ASSERT_TRUE(meta.returned);
    EXPECT_EQ(meta.returned->data.size(), 3U);
    EXPECT_EQ(meta.compute_units, 1400U);
    EXPECT_FALSE(meta.cost_units);
  }
}

// A row may end behind any field, and nowhere else.
TEST(old_meta, a_status_ends_between_fields) {
  const auto all = whole(false);
  std::size_t taken = 0;
  for (std::size_t n = 0; n <= all.str().size(); ++n)
    taken += rewrite_old_meta(all.view().first(n)).has_value();
  // Behind the balances and each of the eight fields (inner instructions, logs, two kinds of token balances,
  // rewards, returned data, compute and cost units), and behind each field of the only reward but its last.
  EXPECT_EQ(taken, 12U);
  auto longer = all;
  EXPECT_FALSE(rewrite_old_meta(longer.u8(0).view()));
}

TEST(old_meta, rewards_of_every_release) {
  for (unsigned fields = 2; fields <= 5; ++fields) {
    wire_bytes b;
    b.u64(3);
    for (unsigned i = 0; i < 3; ++i) {
      text(b, vote_program).put(std::int64_t{5});
      if (fields > 2) b.u64(93);
      if (fields > 3) b.u8(1).u32(1);
      if (fields > 4) b.u8(1).u8(100);
    }
    EXPECT_FALSE(parse_rewards(b.view())) << "it is no protobuf message";
    const auto message = rewrite_old_rewards(b.view()).value();
    const auto parsed = parse_rewards(as_bytes(message)).value();
    ASSERT_EQ(parsed.rewards.size(), 3U) << fields;
    for (const auto& r : parsed.rewards) {
      EXPECT_EQ(r.address, vote_program);
      EXPECT_EQ(r.lamports, 5);
      EXPECT_EQ(r.post_balance, fields > 2 ? 93U : 0U);
      EXPECT_EQ(r.type, fields > 3 ? reward_type::rent : reward_type::unspecified);
      EXPECT_EQ(r.commission, fields > 4 ? "100" : "");
    }
  }
  EXPECT_EQ(rewrite_old_rewards(wire_bytes().u64(0).view()).value(), "");
}

// Counts that the bytes cannot hold.
TEST(old_meta, counts_are_bounded_by_the_bytes) {
  for (const std::uint64_t n : {~0ULL, 1ULL << 61, 6ULL}) {
    wire_bytes b;
    EXPECT_FALSE(rewrite_old_meta(b.u32(0).u64(0).u64(n).fill(0, 16).view()));
    wire_bytes r;
    EXPECT_FALSE(rewrite_old_rewards(r.u64(n).fill(0, 16).view()));
  }
}

}  // namespace
}  // namespace osvm::solana
