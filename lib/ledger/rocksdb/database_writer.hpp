// Writes a RocksDB database in bulk, without RocksDB: rows in any order go in, sorted table files and a
// MANIFEST come out. There is no write-ahead log: a database exists once commit() has put CURRENT in its
// place.
#pragma once

#include <osvm/core/unique_fd.hpp>
#include <osvm/ledger/rocksdb.hpp>

#include <optional>

#include "table_writer.hpp"

namespace osvm::ledger::rocksdb {

struct writer_options {
  std::size_t buffer = 128 << 20;       // bytes of rows kept before a run is written
  std::uint64_t table_size = 64 << 20;  // of one merged table file
  std::size_t block_size = 4096;
  bool durable = true;       // false: files are not synced, for what may be made again
  bool merge = true;         // finish() leaves files that do not overlap
  std::size_t max_runs = 0;  // or at most so many that do
};

// Not thread-safe. A later row for a key wins over an earlier one.
class database_writer final {
 public:
  // `folder` exists; a database in it is continued, with its columns and `columns` besides.
  static result<database_writer> open(const std::string& folder, const std::vector<std::string>& columns,
                                      writer_options options = {});
  result<> put(std::size_t column, std::string key, std::string value);
  // Writes buffered rows and makes all files so far the database: what a reader sees, also after a crash.
  result<> commit();
  // commit(), after overlapping files have become sorted ones.
  result<> finish();
  std::size_t column(std::string_view name) const;
  std::uint64_t bytes_written() const noexcept { return bytes_written_; }
  std::size_t buffered() const noexcept { return buffered_; }

 private:
  struct family_state {
    std::string name;
    std::uint32_t id = 0;
    std::vector<std::pair<std::string, std::string>> rows;
    std::vector<table_file> runs;    // overlap; newest last
    std::vector<table_file> sorted;  // do not overlap
  };
  database_writer() = default;
  result<> adopt(const std::string& folder);
  result<> remove_leftovers(const std::string& folder);
  result<table_writer> begin_table(const family_state& f);
  result<> end_table(std::optional<table_writer>& table, std::vector<table_file>& to);
  result<> add_row(const family_state& f, std::optional<table_writer>& table, std::vector<table_file>& to,
                   std::string_view key, std::string_view value);
  result<> flush(family_state& f);
  result<> flush_all();
  result<> merge(family_state& f, const database& view);
  result<> write_manifest();
  std::string manifest_records() const;
  result<> write_file(const std::string& name, std::string_view bytes);

  std::string path_;
  unique_fd folder_;
  writer_options options_;
  std::vector<family_state> families_;
  std::vector<std::string> obsolete_;
  std::string manifest_name_;
  std::size_t buffered_ = 0;
  std::uint64_t next_number_ = 4, sequence_ = 1, bytes_written_ = 0;
};

}  // namespace osvm::ledger::rocksdb
