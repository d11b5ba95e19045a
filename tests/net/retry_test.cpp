#include <osvm/net/retry.hpp>

#include <gtest/gtest.h>

namespace osvm::net {
namespace {

using namespace std::chrono_literals;
const auto start = deadline::clock::time_point(std::chrono::hours(1));

TEST(backoff, doubles_up_to_its_limit_and_is_spread) {
  backoff least(100ms, 350ms), most(100ms, 350ms);
  for (const auto whole : {100ms, 200ms, 350ms, 350ms}) {
    EXPECT_EQ(least.next(0), whole / 2);
    const auto upper = most.next(0xffff);
    EXPECT_GT(upper, whole - 1ms);
    EXPECT_LE(upper, whole);
  }
}

TEST(rate_limiter, lets_a_burst_through_and_spaces_the_rest) {
  rate_limiter l(10, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(l.reserve(start, 1s), 0ns);
  EXPECT_EQ(l.reserve(start, 1s), 100ms);
  EXPECT_EQ(l.reserve(start, 1s), 200ms);
  EXPECT_EQ(l.reserve(start, 250ms), nanoseconds::max());  // and takes no place
  EXPECT_EQ(l.reserve(start, 1s), 300ms);
  EXPECT_EQ(l.reserve(start + 10s, 1s), 0ns);
  rate_limiter none(0, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(none.reserve(start, 0ns), 0ns);
}

TEST(circuit_breaker, opens_after_failures_and_tries_with_one_call) {
  circuit_breaker b(3, 1s);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(b.allow(start));
    b.failed(start);
  }
  EXPECT_EQ(b.current(), circuit_breaker::state::open);
  EXPECT_FALSE(b.allow(start + 999ms));
  EXPECT_TRUE(b.allow(start + 1s));
  EXPECT_FALSE(b.allow(start + 1s));  // one trial at a time
  b.failed(start + 1s);
  EXPECT_FALSE(b.allow(start + 1500ms));
  EXPECT_TRUE(b.allow(start + 2s));
  b.withdrawn();  // that told nothing, so the next may try
  EXPECT_TRUE(b.allow(start + 2s));
  b.succeeded();
  EXPECT_EQ(b.current(), circuit_breaker::state::closed);
  EXPECT_TRUE(b.allow(start + 2s));
}

TEST(circuit_breaker, counts_failures_in_a_row_only) {
  circuit_breaker b(2, 1s);
  for (int i = 0; i < 10; ++i) {
    b.failed(start);
    b.succeeded();
  }
  EXPECT_EQ(b.current(), circuit_breaker::state::closed);
  circuit_breaker never(0, 1s);
  for (int i = 0; i < 10; ++i) never.failed(start);
  EXPECT_TRUE(never.allow(start));
}

}  // namespace
}  // namespace osvm::net
