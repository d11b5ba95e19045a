// Reads a RocksDB database without RocksDB: read-only, without a lock, beside a running writer, and around
// files that are missing. Never writes, creates or deletes anything.
//
// Formats: MANIFEST, write-ahead log and block-based tables with format_version 2 to 7 (facebook/rocksdb
// `db/`, `table/`); docs/formats/rocksdb.md says what is read and what is refused by name.
#pragma once

#include <osvm/core/bytes.hpp>
#include <osvm/ledger/error.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace osvm::ledger::rocksdb {

struct database_options {
  std::size_t max_open_tables = 128;    // descriptors kept open
  std::size_t block_cache = 16 << 20;   // bytes of decoded blocks kept
  std::size_t max_block = 64 << 20;     // a larger block is refused
  std::size_t max_manifest = 1 << 30;   // a larger MANIFEST is refused
  std::size_t max_wal_rows = 64 << 20;  // rows taken from write-ahead logs
};

// A row's value: a view and what keeps it alive. Cheap to copy.
class value {
 public:
  value() = default;
  value(std::shared_ptr<const void> owner, bytes_view bytes) noexcept
      : owner_(std::move(owner)), bytes_(bytes) {}
  bytes_view bytes() const noexcept { return bytes_; }
  std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::shared_ptr<const void> owner_;
  bytes_view bytes_;
};

// Rows that cannot be read: a table file that is missing or damaged, or the end of a write-ahead log.
struct lost_range {
  std::string column;
  std::string file;               // name in the database's folder
  std::string smallest, largest;  // keys, both included; empty for logs
  std::string reason;
};

struct column_info {
  std::uint32_t id = 0;
  std::string name;
  std::size_t files = 0;
  std::uint64_t bytes = 0;   // of its table files
  std::size_t log_rows = 0;  // rows that lie in write-ahead logs only
};

class iterator;
class reader;

// An open database: a consistent view of one moment, until refresh(). Thread-safe: any number of threads may
// read and make iterators; refresh() may run beside them and does not disturb iterators that exist.
class database final {
 public:
  // `folder` holds CURRENT. errc::not_a_ledger, errc::corrupt, errc::unsupported_format, or the system's
  // error.
  static result<database> open(const std::string& folder, database_options options = {});
  database(database&&) noexcept;
  database& operator=(database&&) noexcept;
  ~database();

  // Takes over what a writer has done since; true when there was something.
  result<bool> refresh();

  std::vector<column_info> columns() const;
  bool has_column(std::string_view name) const;
  // Nothing when there is no such row; errc::lost when the file that would know is not readable;
  // errc::no_such_column.
  result<std::optional<value>> get(std::string_view column, std::string_view key) const;
  // For many look-ups in one column: as get(), at the moment that it was made. errc::no_such_column.
  result<reader> read(std::string_view column) const;
  result<iterator> iterate(std::string_view column) const;
  std::vector<lost_range> lost() const;
  // The highest sequence number that was seen: grows with every write.
  std::uint64_t sequence() const;

  struct impl;

 private:
  explicit database(std::unique_ptr<impl> i) noexcept;
  std::unique_ptr<impl> impl_;
};

// Not thread-safe; keeps what it reads alive by itself, also after the database is gone.
class reader final {
 public:
  reader(reader&&) noexcept;
  reader& operator=(reader&&) noexcept;
  ~reader();

  // As database::get(). A row that a writer has moved since is looked up as of now.
  result<std::optional<value>> get(std::string_view key);
  // No row at all.
  bool empty() const noexcept;

  struct impl;
  explicit reader(std::unique_ptr<impl> i) noexcept;

 private:
  std::unique_ptr<impl> impl_;
};

// Walks one column in key order, both ways. Rows in unreadable files are passed over and named by lost(). Not
// thread-safe; keeps what it reads alive by itself, also after the database is gone.
class iterator final {
 public:
  iterator(iterator&&) noexcept;
  iterator& operator=(iterator&&) noexcept;
  ~iterator();

  void seek_first();
  void seek_last();
  void seek(std::string_view key);           // the first row at or behind `key`
  void seek_for_prev(std::string_view key);  // the last row at or before `key`
  void next();                               // need valid()
  void prev();
  bool valid() const noexcept;
  std::string_view key() const noexcept;  // until the next move
  const rocksdb::value& value() const noexcept;
  // Not ok when the walk ended because of a failure that is not a lost file.
  result<> status() const;
  // What this walk passed over.
  const std::vector<lost_range>& lost() const noexcept;

  struct impl;
  explicit iterator(std::unique_ptr<impl> i) noexcept;

 private:
  std::unique_ptr<impl> impl_;
};

}  // namespace osvm::ledger::rocksdb
