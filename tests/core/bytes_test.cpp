#include <osvm/core/bytes.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>

namespace osvm {
namespace {

constexpr std::uint64_t max64 = std::numeric_limits<std::uint64_t>::max();

const std::array<std::byte, 6> six{std::byte{1}, std::byte{2}, std::byte{3},
                                   std::byte{4}, std::byte{5}, std::byte{6}};

TEST(bytes, subspan_takes_exactly_what_is_there) {
  EXPECT_EQ(subspan(six, 0, 6)->size(), 6u);
  EXPECT_EQ(subspan(six, 6, 0)->size(), 0u);
  EXPECT_EQ((*subspan(six, 2, 3))[0], std::byte{3});
}

TEST(bytes, subspan_refuses_what_is_past_the_end) {
  EXPECT_EQ(subspan(six, 5, 2).error().code, make_error_code(errc::truncated));
  EXPECT_EQ(subspan(six, 7, 0).error().code, make_error_code(errc::truncated));
}

TEST(bytes, subspan_is_not_fooled_by_sums_that_wrap) {
  EXPECT_FALSE(subspan(six, max64, 2));
  EXPECT_FALSE(subspan(six, 2, max64));
  EXPECT_FALSE(subspan(six, max64, max64));
}

TEST(bytes, error_names_what_was_needed_and_what_there_was) {
  EXPECT_EQ(subspan(six, 5, 2).error().context, "need 2 bytes at 5, have 6");
}

TEST(bytes, read_at_is_little_endian_and_unaligned) {
  EXPECT_EQ(*read_at<std::uint32_t>(six, 1), 0x05040302u);
  EXPECT_FALSE(read_at<std::uint32_t>(six, 3));
}

TEST(bytes, reader_advances_only_on_success) {
  byte_reader reader(six);
  EXPECT_EQ(*reader.read<std::uint16_t>(), 0x0201u);
  EXPECT_FALSE(reader.read<std::uint64_t>());
  EXPECT_EQ(reader.position(), 2u);
  EXPECT_EQ(reader.take(4)->size(), 4u);
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_FALSE(reader.take(1));
}

TEST(bytes, checked_arithmetic_reports_overflow) {
  std::uint64_t out = 0;
  EXPECT_TRUE(checked_add(max64 - 1, std::uint64_t{1}, out));
  EXPECT_EQ(out, max64);
  EXPECT_FALSE(checked_add(max64, std::uint64_t{1}, out));
  EXPECT_FALSE(checked_mul(max64 / 2 + 1, std::uint64_t{2}, out));
  std::uint32_t narrow = 0;
  EXPECT_FALSE(checked_mul(std::uint32_t{0x10000}, std::uint32_t{0x10000}, narrow));
}

}  // namespace
}  // namespace osvm
