#include <osvm/core/clock.hpp>

#include <gtest/gtest.h>

#include <limits>

namespace osvm {
namespace {

using namespace std::chrono_literals;
const auto now = deadline::clock::time_point(1h);

TEST(deadline, never_does_not_pass) {
  const deadline d;
  EXPECT_TRUE(d.is_never());
  EXPECT_FALSE(d.passed(deadline::clock::time_point::max()));
  EXPECT_EQ(d.remaining(now), nanoseconds::max());
  EXPECT_EQ(d.poll_timeout(now), -1);
}

TEST(deadline, passes_at_its_time) {
  const auto d = deadline::after(5s, now);
  EXPECT_FALSE(d.passed(now + 5s - 1ns));
  EXPECT_TRUE(d.passed(now + 5s));
  EXPECT_EQ(d.remaining(now + 2s), 3s);
  EXPECT_EQ(d.remaining(now + 9s), 0s);
}

TEST(deadline, poll_timeout_rounds_up_and_fits) {
  EXPECT_EQ(deadline::after(1ns, now).poll_timeout(now), 1);
  EXPECT_EQ(deadline::after(1500us, now).poll_timeout(now), 2);
  EXPECT_EQ(deadline::after(-1s, now).poll_timeout(now), 0);
  EXPECT_EQ(deadline::after(24h * 365, now).poll_timeout(now), std::numeric_limits<int>::max());
}

TEST(deadline, a_wait_past_the_clocks_range_is_never) {
  EXPECT_TRUE(deadline::after(nanoseconds::max(), now).is_never());
  EXPECT_LT(deadline::after(1s, now), deadline::after(2s, now));
  EXPECT_LT(deadline::after(1h, now), deadline::never());
}

TEST(duration, reads_what_people_write) {
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(*parse_duration("2s"), 2s);
  EXPECT_EQ(*parse_duration("1m30s"), 90s);
  EXPECT_EQ(*parse_duration("1d2h3m4s5ms6us7ns"), 26h + 3min + 4s + 5ms + 6us + 7ns);
  EXPECT_EQ(*parse_duration("1.5h"), 90min);
  EXPECT_EQ(*parse_duration("1m0.5s"), 60500ms);
  EXPECT_EQ(*parse_duration("0"), 0s);
  EXPECT_EQ(*parse_duration("0.000000001s"), 1ns);
}

TEST(duration, refuses_everything_else) {
  for (const char* bad : {"",
                          "5",
                          "s",
                          "-1s",
                          "+1s",
                          "1 s",
                          " 1s",
                          "1s ",
                          "1S",
                          "1sec",
                          "30s1m",
                          "1s1s",
                          "1.5m3s",
                          ".5s",
                          "1.s",
                          "1e3s",
                          "0x1s",
                          "0.5ns",
                          "99999999999999999999s",
                          "106752d",
                          "1m30",
                          "1\ns"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

TEST(duration, error_quotes_the_text_safely) {
  EXPECT_EQ(parse_duration("\x1b[2J").error().to_string(),
            "duration \"\\x1b[2J\": write it like 250ms, 2s or 1m30s: invalid argument");
}

TEST(duration, formats_exactly_and_reads_back) {
  EXPECT_EQ(format_duration(90s), "1m30s");
  EXPECT_EQ(format_duration(1500us), "1ms500us");
  EXPECT_EQ(format_duration(0ns), "0s");
  EXPECT_EQ(format_duration(-2s), "-2s");
  for (const nanoseconds d :
       {nanoseconds(1), nanoseconds(999'999'999), nanoseconds(48h + 1ns), nanoseconds::max()}) {
    EXPECT_EQ(*parse_duration(format_duration(d)), d);
  }
  EXPECT_EQ(format_duration(nanoseconds::min()).front(), '-');
}

TEST(size, reads_bytes_binary_and_decimal_units) {
  EXPECT_EQ(*parse_size("4096"), 4096u);
  EXPECT_EQ(*parse_size("64MiB"), 64u << 20);
  EXPECT_EQ(*parse_size("64M"), 64u << 20);
  EXPECT_EQ(*parse_size("1.5GiB"), 3ull << 29);
  EXPECT_EQ(*parse_size("10MB"), 10'000'000u);
  EXPECT_EQ(*parse_size("0"), 0u);
  EXPECT_EQ(*parse_size("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
}

TEST(size, refuses_everything_else) {
  for (const char* bad : {"", "MiB", "-1", "1 MiB", "1mib", "0.3B", "1.0000000000000001K",
                          "18446744073709551616", "16777216TiB", "1KiB1B", "0x10", "1e6"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
}

TEST(size, formats_in_the_largest_exact_unit) {
  EXPECT_EQ(format_size(64u << 20), "64MiB");
  EXPECT_EQ(format_size(1536u << 10), "1536KiB");
  EXPECT_EQ(format_size(4097), "4097B");
  EXPECT_EQ(format_size(0), "0B");
}

}  // namespace
}  // namespace osvm
