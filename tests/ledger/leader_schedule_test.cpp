// The schedules that Agave's own tests expect (ledger/src/leader_schedule.rs).
#include <osvm/ledger/leader_schedule.hpp>
#include <osvm/solana/hashing.hpp>

#include <gtest/gtest.h>

namespace osvm::ledger {
namespace {

solana::pubkey numbered(std::uint16_t n) {
  solana::pubkey k;
  std::memcpy(k.bytes.data(), &n, sizeof n);
  return k;
}

struct order_case {
  std::uint64_t epoch;
  std::vector<std::uint64_t> stakes;
  std::uint64_t slots, consecutive;
  std::vector<std::uint16_t> leaders;
};

TEST(leader_schedule, orders_as_agave_s_tests_expect) {
  const order_case cases[] = {
      {1, {10, 20, 30}, 12, 1, {1, 1, 2, 1, 1, 0, 0, 1, 2, 1, 0, 1}},
      {1, {10, 20, 30}, 12, 2, {1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 0, 0}},
      {1, {30, 10, 20}, 12, 1, {2, 2, 0, 2, 2, 1, 1, 2, 0, 2, 1, 2}},
      {1, {10, 20, 25, 30}, 12, 1, {2, 2, 3, 1, 2, 0, 1, 1, 3, 2, 1, 2}},
      {1, {10, 20, 25, 30, 35, 40, 100}, 15, 1, {4, 5, 6, 3, 4, 1, 2, 3, 6, 4, 2, 4, 5, 6, 6}},
      {457468, {10, 20, 30}, 12, 2, {2, 2, 2, 2, 0, 0, 1, 1, 0, 0, 2, 2}},
      {3466545, {10, 20, 30}, 13, 1, {2, 2, 0, 0, 2, 1, 1, 1, 0, 0, 2, 2, 1}},
  };
  for (const auto& c : cases) {
    std::vector<vote_stake> stakes;
    for (std::uint16_t i = 0; i < c.stakes.size(); ++i)
      stakes.push_back({numbered(i), numbered(i), c.stakes[i]});
    const auto made =
        leader_schedule::make(stakes, c.epoch, {.slots = c.slots, .consecutive = c.consecutive});
    ASSERT_TRUE(made) << made.error().to_string();
    ASSERT_EQ(made->slots(), c.leaders.size());
    for (std::size_t i = 0; i < c.leaders.size(); ++i)
      EXPECT_EQ(made->vote(i), numbered(c.leaders[i])) << "epoch " << c.epoch << ", slot " << i;
  }
}

TEST(leader_schedule, long_ones_hash_as_agave_s_tests_expect) {
  struct {
    std::uint64_t epoch, slots;
    unsigned power;
    const char* hash;
  } const cases[] = {
      {42, 1000, 0, "4XU6LEarBUmBkAvXRsjeyLu3N8CcgrvbRFrNiJi2jECk"},
      {42, 10000, 1, "9xLLKyyqF5YrdwPSDbqh5oVamSF7cqPqQLxEyHTexEiP"},
      {346436, 1000, 2, "3aLE5S6xLEU9yg5EZQH27qrC86aC2dG8KLh4NbcapXpy"},
      {454357, 10000, 3, "E9XL5BLhCJ4Emyfs8jTUsQetfA8QZj78LcnN63dPp7jJ"},
  };
  for (const auto& c : cases) {
    std::vector<vote_stake> stakes;
    for (std::uint64_t i = 0; i <= 0xffff; ++i) {
      std::uint64_t stake = 1;
      for (unsigned p = 0; p < c.power; ++p) stake *= i;
      stakes.push_back({numbered(static_cast<std::uint16_t>(i)), {}, stake});
    }
    const auto made = leader_schedule::make(stakes, c.epoch, {.slots = c.slots, .consecutive = 1});
    ASSERT_TRUE(made) << made.error().to_string();
    std::string keys;
    for (std::uint64_t i = 0; i < c.slots; ++i)
      keys.append(reinterpret_cast<const char*>(made->vote(i).data()), 32);
    EXPECT_EQ(solana::sha256(as_bytes(keys)).to_string(), c.hash) << c.epoch << " " << c.power;
  }
}

TEST(leader_schedule, before_simd_0180_validators_draw_with_the_sum_of_their_stakes) {
  // Validator 9 votes twice, with 20 and 10; drawn by validator it is the first of two equal ones.
  const vote_stake stakes[] = {{numbered(1), numbered(9), 20},
                               {numbered(2), numbered(9), 10},
                               {numbered(3), numbered(8), 30},
                               {numbered(4), numbered(7), 0}};
  const vote_stake summed[] = {{numbered(9), numbered(9), 30}, {numbered(8), numbered(8), 30}};
  const auto made = leader_schedule::make(stakes, 5, {.by = lots::validators, .slots = 64});
  const auto wanted = leader_schedule::make(summed, 5, {.by = lots::vote_accounts, .slots = 64});
  ASSERT_TRUE(made && wanted);
  for (std::uint64_t i = 0; i < 64; ++i) EXPECT_EQ(made->node(i), wanted->node(i)) << i;
}

TEST(leader_schedule, refuses_what_no_cluster_has) {
  const vote_stake none[] = {{numbered(1), numbered(1), 0}};
  EXPECT_EQ(leader_schedule::make(none, 0).error().code, osvm::errc::invalid_argument);
  EXPECT_EQ(leader_schedule::make({}, 0).error().code, osvm::errc::invalid_argument);
  const vote_stake vast[] = {{numbered(1), numbered(1), ~0ULL}, {numbered(2), numbered(1), 1}};
  for (const auto by : {lots::vote_accounts, lots::validators})
    EXPECT_EQ(leader_schedule::make(vast, 0, {.by = by}).error().code, osvm::errc::invalid_argument);
  const vote_stake one[] = {{numbered(1), numbered(1), 1}};
  EXPECT_EQ(leader_schedule::make(one, 0, {.slots = ~0ULL}).error().code, osvm::errc::limit_exceeded);
  EXPECT_EQ(leader_schedule::make(one, 0, {.consecutive = 0}).error().code, osvm::errc::limit_exceeded);
}

}  // namespace
}  // namespace osvm::ledger
