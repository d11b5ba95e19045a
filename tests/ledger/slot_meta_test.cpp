#include <osvm/ledger/error.hpp>
#include <osvm/ledger/slot_meta.hpp>

#include <gtest/gtest.h>

namespace osvm::ledger {
namespace {

template <class T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

std::string prefix(std::uint64_t last = 9) {
  std::string out;
  for (const std::uint64_t v : {std::uint64_t{77}, std::uint64_t{10}, std::uint64_t{10},
                                std::uint64_t{1700000000000}, last, std::uint64_t{76}})
    put(out, v);
  put<std::uint64_t>(out, 2);
  put<std::uint64_t>(out, 78);
  put<std::uint64_t>(out, 79);
  put<std::uint8_t>(out, 0x81);
  return out;
}

void expect_prefix(const slot_meta& m) {
  EXPECT_EQ(m.slot, 77u);
  EXPECT_EQ(m.parent, 76u);
  EXPECT_EQ(m.next_slots, (std::vector<slot_t>{78, 79}));
  EXPECT_EQ(m.connected, 0x81);
  EXPECT_TRUE(m.full());
}

TEST(slot_meta, set_of_numbers) {
  std::string row = prefix();
  put<std::uint64_t>(row, 2);
  put<std::uint32_t>(row, 3);
  put<std::uint32_t>(row, 9);
  const auto m = parse_slot_meta(as_bytes(row));
  ASSERT_TRUE(m);
  expect_prefix(*m);
  EXPECT_EQ(m->encoding, 1);
  EXPECT_EQ(m->completed_indexes, (std::vector<std::uint32_t>{3, 9}));
  for (std::size_t n = 0; n < row.size(); ++n)
    EXPECT_FALSE(parse_slot_meta(as_bytes(std::string_view(row).substr(0, n)))) << n;
}

TEST(slot_meta, bitset_and_its_successor) {
  std::string row = prefix();
  put<std::uint64_t>(row, 4096);
  std::string bits(4096, '\0');
  bits[0] = 8;
  bits[4095] = '\x80';
  row += bits;
  auto m = parse_slot_meta(as_bytes(row));
  ASSERT_TRUE(m);
  expect_prefix(*m);
  EXPECT_EQ(m->encoding, 2);
  EXPECT_EQ(m->completed_indexes, (std::vector<std::uint32_t>{3, 32767}));
  row += std::string(32, '\x05') + std::string(4, '\0');
  m = parse_slot_meta(as_bytes(row));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->encoding, 3);
  EXPECT_EQ(m->parent_block_id->bytes[0], 5);
}

TEST(slot_meta, absent_numbers_and_hostile_counts) {
  std::string row = prefix(~0ULL);
  put<std::uint64_t>(row, 0);
  EXPECT_FALSE(parse_slot_meta(as_bytes(row))->last_index);
  EXPECT_FALSE(parse_slot_meta(as_bytes(row))->full());
  std::string many = prefix().substr(0, 48);
  put<std::uint64_t>(many, 1ULL << 61);
  EXPECT_EQ(parse_slot_meta(as_bytes(many)).error().code, errc::corrupt);
  row = prefix();
  put<std::uint64_t>(row, 1ULL << 62);
  EXPECT_EQ(parse_slot_meta(as_bytes(row)).error().code, errc::corrupt);
}

TEST(shred_index, both_encodings) {
  std::string row;
  put<std::uint64_t>(row, 5);
  put<std::uint64_t>(row, 2);
  put<std::uint64_t>(row, 0);
  put<std::uint64_t>(row, 1);
  put<std::uint64_t>(row, 1);
  put<std::uint64_t>(row, 0);
  auto i = parse_shred_index(as_bytes(row));
  ASSERT_TRUE(i);
  EXPECT_EQ(i->encoding, 1);
  EXPECT_EQ(i->data, 2u);
  EXPECT_EQ(i->code, 1u);
  row.clear();
  put<std::uint64_t>(row, 5);
  for (const std::uint64_t n : {7, 9}) {
    put<std::uint64_t>(row, 4096);
    row += std::string(4096, '\1');
    put<std::uint64_t>(row, n);
  }
  i = parse_shred_index(as_bytes(row));
  ASSERT_TRUE(i);
  EXPECT_EQ(i->encoding, 2);
  EXPECT_EQ(i->data, 7u);
  EXPECT_EQ(i->code, 9u);
}

TEST(perf_sample, with_and_without_votes) {
  std::string row;
  put<std::uint64_t>(row, 1000);
  put<std::uint64_t>(row, 60);
  put<std::uint16_t>(row, 30);
  EXPECT_FALSE(parse_perf_sample(as_bytes(row))->non_vote_transactions);
  put<std::uint64_t>(row, 400);
  EXPECT_EQ(parse_perf_sample(as_bytes(row))->non_vote_transactions, 400u);
}

}  // namespace
}  // namespace osvm::ledger
