#include <osvm/core/mapping.hpp>

#include <sys/mman.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>

namespace osvm {
namespace {

bool mapped(void* page) {
  unsigned char state = 0;
  return ::mincore(page, 4096, &state) == 0;
}

TEST(mapping, is_zeroed_writable_and_gone_after_reset) {
  auto m = mapping::anonymous(3 * 4096).value();
  ASSERT_EQ(m.size(), 3u * 4096u);
  EXPECT_EQ(m.bytes().back(), std::byte{0});
  m.bytes().back() = std::byte{9};
  auto* const address = m.data();
  EXPECT_TRUE(mapped(address));
  m.reset();
  EXPECT_FALSE(mapped(address));
  EXPECT_EQ(m.size(), 0u);
}

TEST(mapping, honours_alignment_and_gives_the_slack_back) {
  constexpr std::size_t huge = 2 << 20;
  auto m = mapping::anonymous(huge, huge).value();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(m.data()) % huge, 0u);
  m.bytes().front() = std::byte{1};
  m.bytes().back() = std::byte{1};
}

TEST(mapping, moving_leaves_one_owner) {
  auto a = mapping::anonymous(4096).value();
  auto* const address = a.data();
  mapping b = std::move(a);
  EXPECT_EQ(a.data(), nullptr);
  EXPECT_EQ(b.data(), address);
  a = std::move(b);
  EXPECT_TRUE(mapped(address));
}

TEST(mapping, an_impossible_size_is_an_error) {
  auto m = mapping::anonymous(std::size_t{1} << 60);
  ASSERT_FALSE(m);
  EXPECT_EQ(m.error().code.value(), ENOMEM);
}

}  // namespace
}  // namespace osvm
