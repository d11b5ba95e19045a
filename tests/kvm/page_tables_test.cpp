// Page tables without a VM: the guest's copy is compared with what the VMM believes.
#include "kvm/page_tables.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <deque>
#include <vector>

namespace osvm::kvm {
namespace {

constexpr std::uint64_t flags = pte::present | pte::user | pte::backed;
constexpr std::uint64_t page = 4096;

class heap_pages final : public page_source {
 public:
  explicit heap_pages(std::size_t limit) : limit_(limit) {}
  std::optional<page_source::page> take() override {
    if (pages_.size() == limit_) return std::nullopt;
    pages_.emplace_back();
    return page_source::page{0x1000 * pages_.size(), pages_.back().data()};
  }
  const std::byte* at(std::uint64_t guest_address) const { return pages_[guest_address / 0x1000 - 1].data(); }
  std::size_t count() const { return pages_.size(); }

 private:
  struct alignas(4096) one : std::array<std::byte, 4096> {
    one() : std::array<std::byte, 4096>{} {}
  };
  std::deque<one> pages_;
  std::size_t limit_;
};

class page_tables_test : public ::testing::Test {
 protected:
  page_tables_test() { EXPECT_TRUE(tables.start()); }
  // What a CPU would find: the leaf entry, or 0.
  std::uint64_t walk(std::uint64_t va) const {
    std::uint64_t table = tables.root();
    for (int level = 4; level >= 1; --level) {
      std::uint64_t e = 0;
      std::memcpy(&e, source.at(table) + ((va >> (12 + 9 * (level - 1))) & 511) * 8, 8);
      if (!(e & pte::present) || level == 1) return e;
      if (e & pte::large) return e;
      table = e & pte::address_mask;
    }
    return 0;
  }
  heap_pages source{64};
  page_tables tables{source};
};

TEST_F(page_tables_test, a_page_is_where_it_was_put_and_nowhere_else) {
  ASSERT_TRUE(tables.set(0x400000, 0x123000 | flags));
  EXPECT_EQ(walk(0x400000), 0x123000 | flags);
  EXPECT_EQ(walk(0x401000), 0U);
  EXPECT_EQ(tables.find(0x400000).entry, 0x123000 | flags);
  EXPECT_EQ(tables.find(0x400000).size, page);
  EXPECT_EQ(tables.find(0x7fff00000000).size, 0U);
}

TEST_F(page_tables_test, memory_without_rights_is_kept_but_not_shown_to_the_cpu) {
  ASSERT_TRUE(tables.set(0x400000, 0x123000 | pte::backed));
  EXPECT_EQ(walk(0x400000), 0U);
  EXPECT_EQ(tables.find(0x400000).entry, 0x123000 | pte::backed);
}

TEST_F(page_tables_test, update_visits_what_exists_in_order) {
  for (std::uint64_t va : {0x400000ULL, 0x402000ULL, 0x40000000ULL}) ASSERT_TRUE(tables.set(va, va | flags));
  std::vector<std::uint64_t> seen;
  ASSERT_TRUE(tables.update(0x400000, 0x40000000, [&](std::uint64_t va, std::uint64_t e, std::uint64_t) {
    seen.push_back(va);
    return e & ~pte::present;
  }));
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{0x400000, 0x402000}));
  EXPECT_EQ(walk(0x402000), 0U);
  EXPECT_NE(walk(0x40000000), 0U);
}

TEST_F(page_tables_test, a_large_leaf_is_split_where_a_range_cuts_it) {
  ASSERT_TRUE(tables.set_large(0x600000, 0x10000000 | flags));
  EXPECT_FALSE(tables.take_inner_change());
  EXPECT_TRUE(walk(0x7ff000) & pte::large);
  unsigned visited = 0;
  ASSERT_TRUE(tables.update(0x600000, 0x601000,
                            [&](std::uint64_t, std::uint64_t, std::uint64_t size) -> std::uint64_t {
                              EXPECT_EQ(size, page);
                              ++visited;
                              return 0;
                            }));
  EXPECT_EQ(visited, 1U);
  EXPECT_EQ(walk(0x600000), 0U);
  EXPECT_EQ(walk(0x601000), 0x10001000 | flags);
  EXPECT_EQ(walk(0x7ff000), 0x101ff000 | flags);
  EXPECT_TRUE(tables.take_inner_change()) << "shadow tables would keep the old leaf";
  EXPECT_FALSE(tables.take_inner_change());
}

// Thread stacks were corrupted on a shadow-paging host: an emptied table's page was used again for another
// region, and the host's shadow page of it then served both.
TEST_F(page_tables_test, emptied_tables_keep_their_place) {
  ASSERT_TRUE(tables.set(0x400000, 0x123000 | flags));
  const std::size_t before = source.count();
  ASSERT_TRUE(tables.update(0x400000, 0x401000, [](auto, auto, auto) -> std::uint64_t { return 0; }));
  ASSERT_TRUE(tables.set(0x400000, 0x456000 | flags));
  EXPECT_EQ(source.count(), before);
  EXPECT_FALSE(tables.take_inner_change());
}

TEST(page_tables_memory, a_full_source_is_an_answer_not_a_crash) {
  heap_pages source(3);
  page_tables tables(source);
  ASSERT_TRUE(tables.start());
  EXPECT_FALSE(tables.set(0x400000, 0x1000 | flags));  // needs three more tables, two are left
  EXPECT_EQ(tables.find(0x400000).size, 0U);
}

}  // namespace
}  // namespace osvm::kvm
