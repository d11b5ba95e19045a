// Databases that librocksdb writes, and the comparison of what it reads with what our reader reads.
#pragma once

#include <osvm/ledger/rocksdb.hpp>

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

namespace osvm::ledger::test {

class temporary_folder {
 public:
  temporary_folder() {
    char name[] = "/tmp/osvm-rocksdb-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

inline void must(const ::rocksdb::Status& s) {
  ASSERT_TRUE(s.ok()) << s.ToString();
}

// An open librocksdb database with columns "default", "slots" and "blobs".
class oracle {
 public:
  explicit oracle(const std::string& path, ::rocksdb::Options options = {},
                  ::rocksdb::BlockBasedTableOptions table = {}) {
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.table_factory.reset(::rocksdb::NewBlockBasedTableFactory(table));
    std::vector<::rocksdb::ColumnFamilyDescriptor> columns;
    for (const char* name : {"default", "slots", "blobs"}) columns.emplace_back(name, options);
    ::rocksdb::DB* db = nullptr;
    const auto s = ::rocksdb::DB::Open(options, path, columns, &handles_, &db);
    if (!s.ok()) throw std::runtime_error(s.ToString());
    db_.reset(db);
  }
  ~oracle() { close(); }
  void close() {
    if (!db_) return;
    for (auto* h : handles_) (void)db_->DestroyColumnFamilyHandle(h);
    handles_.clear();
    db_.reset();
  }

  ::rocksdb::DB& db() { return *db_; }
  ::rocksdb::ColumnFamilyHandle* column(std::size_t i) { return handles_[i]; }
  static std::string name(std::size_t i) { return i == 0 ? "default" : i == 1 ? "slots" : "blobs"; }
  void put(std::size_t c, const std::string& key, const std::string& value) {
    must(db_->Put({}, column(c), key, value));
  }
  void flush() {
    for (auto* h : handles_) must(db_->Flush({}, h));
  }
  void compact() {
    for (auto* h : handles_) must(db_->CompactRange({}, h, nullptr, nullptr));
  }

  // Puts, overwrites, deletions and range deletions in all columns.
  void churn(std::mt19937& random, int operations, std::uint32_t key_space = 3000) {
    auto key = [&] {
      char text[24];
      std::snprintf(text, sizeof text, "key-%06u", static_cast<unsigned>(random() % key_space));
      return std::string(text);
    };
    for (int i = 0; i < operations; ++i) {
      auto* c = column(random() % 3);
      switch (random() % 20) {
        case 0: {
          auto a = key(), b = key();
          if (b < a) std::swap(a, b);
          if (random() % 4 == 0) must(db_->DeleteRange({}, c, a, a.substr(0, 8) + "9z"));
          break;
        }
        case 1:
        case 2: must(db_->Delete({}, c, key())); break;
        default: {
          std::string value(random() % (random() % 40 == 0 ? 70000 : 300), 'v');
          for (auto& v : value) v = static_cast<char>('a' + random() % (i % 3 ? 3 : 200));
          must(db_->Put({}, c, key(), value));
        }
      }
    }
  }

 private:
  std::unique_ptr<::rocksdb::DB> db_;
  std::vector<::rocksdb::ColumnFamilyHandle*> handles_;
};

using rows = std::vector<std::pair<std::string, std::string>>;

inline rows oracle_rows(oracle& o, std::size_t column) {
  rows out;
  const std::unique_ptr<::rocksdb::Iterator> it(o.db().NewIterator({}, o.column(column)));
  for (it->SeekToFirst(); it->Valid(); it->Next())
    out.emplace_back(it->key().ToString(), it->value().ToString());
  must(it->status());
  return out;
}

inline rows our_rows(const rocksdb::database& db, std::string_view column, bool backwards = false) {
  rows out;
  auto it = db.iterate(column);
  EXPECT_TRUE(it) << it.error().to_string();
  if (!it) return out;
  for (backwards ? it->seek_last() : it->seek_first(); it->valid(); backwards ? it->prev() : it->next())
    out.emplace_back(it->key(), it->value().text());
  EXPECT_TRUE(it->status()) << it->status().error().to_string();
  if (backwards) std::reverse(out.begin(), out.end());
  return out;
}

// Everything that can be asked: both directions, look-ups of present and absent keys, seeks with a turn.
inline void expect_same(oracle& o, const rocksdb::database& db, std::mt19937& random) {
  for (std::size_t c = 0; c < 3; ++c) {
    const auto name = oracle::name(c);
    const auto wanted = oracle_rows(o, c);
    ASSERT_EQ(our_rows(db, name), wanted) << name;
    ASSERT_EQ(our_rows(db, name, true), wanted) << name;
    const std::unique_ptr<::rocksdb::Iterator> theirs(o.db().NewIterator({}, o.column(c)));
    auto ours = db.iterate(name);
    auto many = db.read(name);
    ASSERT_TRUE(ours && many);
    for (int i = 0; i < 300; ++i) {
      char text[24];
      std::snprintf(text, sizeof text, "key-%06u%s", static_cast<unsigned>(random() % 3100),
                    random() % 3 ? "" : "x");
      const std::string key = text;
      std::string value;
      const auto s = o.db().Get({}, o.column(c), key, &value);
      const auto got = db.get(name, key);
      ASSERT_TRUE(got) << got.error().to_string();
      ASSERT_EQ(got->has_value(), s.ok()) << key;
      const auto again = many->get(key);
      ASSERT_TRUE(again) << again.error().to_string();
      ASSERT_EQ(again->has_value(), s.ok()) << key;
      if (s.ok()) {
        ASSERT_EQ((*got)->text(), value);
        ASSERT_EQ((*again)->text(), value);
      }
      const bool back = random() % 2;
      back ? theirs->SeekForPrev(key) : theirs->Seek(key);
      back ? ours->seek_for_prev(key) : ours->seek(key);
      for (int step = 0; step < 6; ++step) {
        ASSERT_EQ(ours->valid(), theirs->Valid()) << key << " step " << step;
        if (!theirs->Valid()) break;
        ASSERT_EQ(ours->key(), theirs->key().ToStringView()) << key << " step " << step;
        ASSERT_EQ(ours->value().text(), theirs->value().ToStringView());
        const bool forward = random() % 2;
        forward ? theirs->Next() : theirs->Prev();
        forward ? ours->next() : ours->prev();
      }
    }
  }
}

}  // namespace osvm::ledger::test
