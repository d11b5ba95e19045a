// Table files of RocksDB versions that Debian 12 does not have: data/make_fixtures.py and
// data/make_format7.mjs made them.
#include <fmt/format.h>

#include "rocksdb_support.hpp"

namespace osvm::ledger::test {
namespace {

class newer_format : public ::testing::TestWithParam<const char*> {};

TEST_P(newer_format, reads_every_row) {
  const auto db = rocksdb::database::open(std::string(OSVM_TEST_FIXTURES) + "/" + GetParam());
  ASSERT_TRUE(db) << db.error().to_string();
  rows wanted;
  for (int i = 0; i < 400; ++i)
    if (i % 7)
      wanted.emplace_back(fmt::format("key-{:04}", i),
                          fmt::format("value {} ", i) + std::string(static_cast<std::size_t>(i % 90), 'x'));
  EXPECT_EQ(our_rows(*db, "default"), wanted);
  EXPECT_EQ(our_rows(*db, "default", true), wanted);
  for (const auto& [key, value] : wanted) {
    const auto got = db->get("default", key);
    ASSERT_TRUE(got && *got) << key;
    EXPECT_EQ((*got)->text(), value);
  }
  EXPECT_FALSE(*db->get("default", "key-0007"));
  EXPECT_TRUE(db->lost().empty());
}

INSTANTIATE_TEST_SUITE_P(rocksdb, newer_format,
                         ::testing::Values("format6-plain", "format6-zstd", "format6-lz4-partitioned",
                                           "format6-xxhash64", "format6-snappy", "format7-plain",
                                           "format7-filter"));

}  // namespace
}  // namespace osvm::ledger::test
