// Rows of write-ahead logs, sorted: what the writer's memtables hold.
#pragma once

#include <osvm/core/unique_fd.hpp>
#include <osvm/ledger/rocksdb.hpp>

#include <functional>
#include <unordered_map>

#include "log_reader.hpp"
#include "tombstones.hpp"

namespace osvm::ledger::rocksdb {

// One log file, open. Shared by the rows that point into it.
struct log_file {
  unique_fd fd;
  std::uint64_t number = 0;
  std::string name;
};

struct wal_row {
  std::string_view key;
  std::uint64_t sequence = 0;
  entry_kind kind = entry_kind::value;
  std::uint32_t value_size = 0;
  const char* value = nullptr;  // null: the value stays in the file, at `place`
  std::uint64_t place = 0;      // file offset of the value's first byte
  std::uint32_t header_size = 7;
};

// The rows of one column out of one stretch of one log: sorted by key, newest first.
struct wal_column {
  std::vector<wal_row> rows;
  std::vector<range_tombstone> tombstones;
};

// A stretch of one log. Immutable once finished; thread-safe then.
class wal_run {
 public:
  explicit wal_run(std::shared_ptr<const log_file> log) : log_(std::move(log)) {}

  // Adds a write batch; rows of families for which `wanted` is false are left out.
  result<> add_batch(std::string_view batch, const record_place& place);
  void finish();

  std::uint64_t log_number() const noexcept { return log_->number; }
  const wal_column* column(std::uint32_t family) const {
    const auto at = columns_.find(family);
    return at == columns_.end() ? nullptr : &at->second;
  }
  result<rocksdb::value> value_of(const wal_row& row, const std::shared_ptr<const wal_run>& self) const;
  std::size_t rows() const noexcept { return rows_; }
  std::uint64_t last_sequence() const noexcept { return last_sequence_; }

 private:
  std::string_view keep(std::string_view text);
  std::shared_ptr<const log_file> log_;
  std::unordered_map<std::uint32_t, wal_column> columns_;
  std::vector<std::unique_ptr<char[]>> arena_;
  std::size_t arena_left_ = 0, arena_size_ = 0;
  std::size_t rows_ = 0;
  std::uint64_t last_sequence_ = 0;
};

// Where reading of a log stands.
struct wal_tail {
  std::uint64_t consumed = 0;  // bytes of whole records
  std::string damage;          // why the log ends before its file does; empty for an ordinary end
};

using record_handler = std::function<result<>(std::string_view record, const record_place& place)>;

// Gives the whole records of a log (or MANIFEST) from offset `from` on to `found`.
result<wal_tail> read_records(const log_file& log, std::uint64_t from, const record_handler& found);
// The same into `run`.
result<wal_tail> read_log(const log_file& log, std::uint64_t from, std::size_t max_rows, wal_run& run);

}  // namespace osvm::ledger::rocksdb
