#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "rocksdb_support.hpp"

namespace osvm::ledger::test {
namespace {

struct layout {
  const char* name;
  std::uint32_t format = 5;
  ::rocksdb::CompressionType compression = ::rocksdb::kNoCompression;
  ::rocksdb::ChecksumType checksum = ::rocksdb::kCRC32c;
  ::rocksdb::BlockBasedTableOptions::IndexType index = ::rocksdb::BlockBasedTableOptions::kBinarySearch;
  std::size_t block_size = 1024;
  int index_restart = 1;
  bool data_hash = false;
  std::uint32_t dictionary = 0;
};

std::ostream& operator<<(std::ostream& out, const layout& l) {
  return out << l.name;
}

class every_layout : public ::testing::TestWithParam<layout> {
 protected:
  static std::unique_ptr<oracle> make(const std::string& path) {
    const auto& l = GetParam();
    ::rocksdb::Options o;
    o.compression = l.compression;
    o.compression_opts.max_dict_bytes = l.dictionary;
    o.compression_opts.zstd_max_train_bytes = l.dictionary * 10;
    o.write_buffer_size = 200 << 10;
    o.target_file_size_base = 100 << 10;
    o.max_bytes_for_level_base = 300 << 10;
    ::rocksdb::BlockBasedTableOptions t;
    t.format_version = l.format;
    t.checksum = l.checksum;
    t.index_type = l.index;
    t.block_size = l.block_size;
    t.index_block_restart_interval = l.index_restart;
    t.metadata_block_size = 256;
    if (l.data_hash) t.data_block_index_type = ::rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
    return std::make_unique<oracle>(path, o, t);
  }
};

// Logs only, level 0 only, all levels, and a mix with a log behind: each must read as librocksdb reads it.
TEST_P(every_layout, reads_what_librocksdb_reads) {
  const temporary_folder folder;
  std::mt19937 random(11);
  auto o = make(folder.path());
  o->churn(random, 500);
  auto db = rocksdb::database::open(folder.path());
  ASSERT_TRUE(db) << db.error().to_string();
  expect_same(*o, *db, random);
  for (int round = 0; round < 3; ++round) {
    o->churn(random, 700);
    if (round != 1) o->flush();
    if (round == 1) o->compact();
    o->churn(random, 300);
    ASSERT_TRUE(db->refresh());
    expect_same(*o, *db, random);
  }
  EXPECT_TRUE(db->lost().empty());
}

using b = ::rocksdb::BlockBasedTableOptions;
INSTANTIATE_TEST_SUITE_P(
    rocksdb, every_layout,
    ::testing::Values(
        layout{"plain"}, layout{"format2", 2}, layout{"format3", 3}, layout{"format4", 4},
        layout{"snappy", 5, ::rocksdb::kSnappyCompression}, layout{"zlib", 5, ::rocksdb::kZlibCompression},
        layout{"lz4", 5, ::rocksdb::kLZ4Compression}, layout{"lz4hc", 5, ::rocksdb::kLZ4HCCompression},
        layout{"zstd", 5, ::rocksdb::kZSTD},
        layout{"zstd_dictionary", 5, ::rocksdb::kZSTD, ::rocksdb::kCRC32c, b::kBinarySearch, 4096, 1, false,
               8192},
        layout{"lz4_dictionary", 5, ::rocksdb::kLZ4Compression, ::rocksdb::kxxHash64, b::kBinarySearch, 4096,
               1, false, 8192},
        layout{"zlib_dictionary", 5, ::rocksdb::kZlibCompression, ::rocksdb::kxxHash, b::kBinarySearch, 4096,
               1, false, 8192},
        layout{"no_checksum", 5, ::rocksdb::kNoCompression, ::rocksdb::kNoChecksum},
        layout{"xxhash", 5, ::rocksdb::kNoCompression, ::rocksdb::kxxHash},
        layout{"xxhash64", 5, ::rocksdb::kNoCompression, ::rocksdb::kxxHash64},
        layout{"xxh3", 5, ::rocksdb::kLZ4Compression, ::rocksdb::kXXH3},
        layout{"partitioned", 5, ::rocksdb::kNoCompression, ::rocksdb::kCRC32c, b::kTwoLevelIndexSearch, 512},
        layout{"partitioned_format2", 2, ::rocksdb::kNoCompression, ::rocksdb::kCRC32c,
               b::kTwoLevelIndexSearch, 512},
        layout{"first_key", 5, ::rocksdb::kNoCompression, ::rocksdb::kCRC32c, b::kBinarySearchWithFirstKey},
        layout{"index_restarts", 5, ::rocksdb::kNoCompression, ::rocksdb::kCRC32c, b::kBinarySearch, 512, 8},
        layout{"data_hash", 5, ::rocksdb::kNoCompression, ::rocksdb::kCRC32c, b::kBinarySearch, 4096, 1,
               true}),
    [](const auto& layout_info) { return layout_info.param.name; });

class rocksdb_files : public ::testing::Test {
 protected:
  std::vector<std::filesystem::path> files(const char* extension) const {
    std::vector<std::filesystem::path> out;
    for (const auto& e : std::filesystem::directory_iterator(folder.path()))
      if (e.path().extension() == extension) out.push_back(e.path());
    return out;
  }
  void fill(oracle& o, int from, int to) {
    for (int i = from; i < to; ++i) {
      char key[16];
      std::snprintf(key, sizeof key, "k%05d", i);
      o.put(0, key, "value " + std::to_string(i) + std::string(100, '.'));
    }
  }
  temporary_folder folder;
};

TEST_F(rocksdb_files, a_torn_log_ends_where_it_is_torn) {
  {
    oracle o(folder.path());
    fill(o, 0, 2000);
  }
  const auto log = files(".log").at(0);
  const auto whole = std::filesystem::file_size(log);
  std::size_t before = 2001;
  for (std::uintmax_t size = whole; size > 0; size -= std::min<std::uintmax_t>(size, 9973)) {
    std::filesystem::resize_file(log, size);
    const auto db = rocksdb::database::open(folder.path());
    ASSERT_TRUE(db) << db.error().to_string();
    const auto got = our_rows(*db, "default");
    EXPECT_LT(got.size(), before);
    before = got.size() + 1;
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(std::stoul(got[i].first.substr(1)), i);
    EXPECT_TRUE(db->lost().empty());  // a torn end is what a crash leaves: nothing was acknowledged there
  }
}

TEST_F(rocksdb_files, damage_inside_a_log_is_named) {
  {
    oracle o(folder.path());
    fill(o, 0, 2000);
  }
  const auto log = files(".log").at(0);
  std::fstream(log, std::ios::in | std::ios::out | std::ios::binary).seekp(100000).put('!');
  const auto db = rocksdb::database::open(folder.path());
  ASSERT_TRUE(db);
  const auto got = our_rows(*db, "default");
  EXPECT_GT(got.size(), 500u);
  EXPECT_LT(got.size(), 1000u);
  ASSERT_EQ(db->lost().size(), 1u);
  EXPECT_EQ(db->lost()[0].file, log.filename().string());
}

TEST_F(rocksdb_files, a_missing_table_loses_its_range_and_nothing_else) {
  {
    ::rocksdb::Options options;
    options.disable_auto_compactions = true;
    oracle o(folder.path(), options);
    for (int i = 0; i < 10; ++i) {
      fill(o, i * 100, i * 100 + 100);
      o.flush();
    }
  }
  auto tables = files(".sst");
  ASSERT_EQ(tables.size(), 10u);
  std::ranges::sort(tables);
  std::filesystem::remove(tables[4]);
  const auto db = rocksdb::database::open(folder.path());
  ASSERT_TRUE(db);
  EXPECT_EQ(our_rows(*db, "default").size(), 900u);
  EXPECT_EQ(our_rows(*db, "default", true).size(), 900u);
  ASSERT_EQ(db->lost().size(), 1u);
  EXPECT_EQ(db->lost()[0].column, "default");
  EXPECT_EQ(db->lost()[0].smallest, "k00400");
  EXPECT_EQ(db->lost()[0].largest, "k00499");
  EXPECT_EQ(db->get("default", "k00450").error().code, errc::lost);
  EXPECT_TRUE((*db->get("default", "k00399"))->text().starts_with("value 399"));
  EXPECT_FALSE(*db->get("default", "k00399x"));
}

TEST_F(rocksdb_files, a_damaged_block_is_never_believed) {
  {
    ::rocksdb::Options options;
    options.compression = ::rocksdb::kNoCompression;
    oracle o(folder.path(), options);
    fill(o, 0, 3000);
    o.flush();
  }
  const auto file = files(".sst").at(0);
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(200000).put('\x7f');
  const auto db = rocksdb::database::open(folder.path());
  ASSERT_TRUE(db);
  const auto got = our_rows(*db, "default");
  EXPECT_GT(got.size(), 1000u);
  EXPECT_LT(got.size(), 3000u);
  for (const auto& [key, value] : got)
    ASSERT_EQ(value.substr(0, value.find('.')), "value " + std::to_string(std::stoul(key.substr(1))));
  ASSERT_EQ(db->lost().size(), 1u);
}

TEST_F(rocksdb_files, every_flipped_byte_of_a_table_is_noticed_or_harmless) {
  {
    oracle o(folder.path());
    fill(o, 0, 60);
    o.flush();
  }
  const auto file = files(".sst").at(0);
  std::string good;
  {
    std::ifstream in(file, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto wanted = our_rows(*rocksdb::database::open(folder.path()), "default");
  for (std::size_t at = 0; at < good.size(); at += 3) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    std::ofstream(file, std::ios::binary) << bad;
    const auto db = rocksdb::database::open(folder.path());
    ASSERT_TRUE(db);
    const auto got = our_rows(*db, "default");
    if (got != wanted) {
      EXPECT_FALSE(db->lost().empty()) << at;
    }
  }
}

TEST_F(rocksdb_files, every_cut_and_flip_of_a_manifest_is_an_error_or_an_older_state) {
  {
    oracle o(folder.path());
    fill(o, 0, 60);
    o.flush();
  }
  std::filesystem::path manifest;
  for (const auto& e : std::filesystem::directory_iterator(folder.path()))
    if (e.path().filename().string().starts_with("MANIFEST")) manifest = e.path();
  std::string good;
  {
    std::ifstream in(manifest, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto wanted = our_rows(*rocksdb::database::open(folder.path()), "default");
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    std::ofstream(manifest, std::ios::binary) << bad;
    if (const auto db = rocksdb::database::open(folder.path())) {
      auto it = db->iterate("default");  // no crash, and no row that was never there
      if (!it) continue;
      for (it->seek_first(); it->valid(); it->next())
        ASSERT_TRUE(std::ranges::find(wanted, std::string(it->key()),
                                      &std::pair<std::string, std::string>::first) != wanted.end());
    }
    std::ofstream(manifest, std::ios::binary) << good.substr(0, at);
    (void)rocksdb::database::open(folder.path());
  }
}

TEST_F(rocksdb_files, what_is_no_database_is_refused_by_name) {
  EXPECT_EQ(rocksdb::database::open(folder.path()).error().code, errc::not_a_ledger);
  EXPECT_FALSE(rocksdb::database::open(folder.path() + "/absent"));
  std::ofstream(folder.path() + "/CURRENT") << "../../etc/passwd\n";
  EXPECT_EQ(rocksdb::database::open(folder.path()).error().code, errc::corrupt);
  std::ofstream(folder.path() + "/CURRENT") << "MANIFEST-000001\n";
  EXPECT_FALSE(rocksdb::database::open(folder.path()));
}

TEST_F(rocksdb_files, single_deletions_are_read) {
  {
    ::rocksdb::Options options;
    oracle o(folder.path(), options);
    fill(o, 0, 3);
  }
  oracle o(folder.path());
  must(o.db().SingleDelete({}, o.column(0), "k00001"));
  const auto db = rocksdb::database::open(folder.path());
  EXPECT_EQ(our_rows(*db, "default").size(), 2u);
}

TEST_F(rocksdb_files, opening_writes_nothing) {
  {
    oracle o(folder.path());
    fill(o, 0, 10);
  }
  std::set<std::string> before, after;
  auto list = [&](std::set<std::string>& to) {
    for (const auto& e : std::filesystem::directory_iterator(folder.path()))
      to.insert(e.path().string() + std::to_string(e.file_size()) +
                std::to_string(e.last_write_time().time_since_epoch().count()));
  };
  list(before);
  const auto db = rocksdb::database::open(folder.path());
  EXPECT_EQ(our_rows(*db, "default").size(), 10u);
  list(after);
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace osvm::ledger::test
