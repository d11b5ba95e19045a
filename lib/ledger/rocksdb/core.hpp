// The open database behind `database` and its iterators: versions, and caches that outlive them.
#pragma once

#include <list>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "manifest.hpp"
#include "table.hpp"
#include "wal.hpp"

namespace osvm::ledger::rocksdb {

// A run of table files that do not overlap, in key order: a level, or part of level 0. Rows carry sequence
// numbers, so it does not matter which level a run came from.
struct chain {
  int level = 0;
  std::vector<table_file> files;
};

struct version_column {
  std::uint32_t id = 0;
  std::string name;
  std::vector<chain> chains;                         // upper levels first
  std::vector<std::shared_ptr<const wal_run>> runs;  // newest first; only those with rows of this column
  tombstone_set log_tombstones;
  std::vector<range_tombstone> log_ranges;
};

// What the database held at one moment. Immutable.
struct version {
  std::vector<version_column> columns;
  std::set<std::uint64_t> missing;  // table files that are not in the folder
  std::vector<lost_range> lost;
  std::uint64_t sequence = 0;
  const version_column* find(std::string_view name) const;
};

// Thread-safe.
class core {
 public:
  static result<std::shared_ptr<core>> open(const std::string& folder, database_options options);

  std::shared_ptr<const version> current() const;
  result<bool> refresh();
  result<std::shared_ptr<const table>> open_table(std::uint64_t number);
  block_cache* cache() noexcept { return &cache_; }
  void name_lost(lost_range range);
  std::vector<lost_range> lost() const;

  result<std::optional<value>> get(std::string_view column, std::string_view key);

 private:
  struct tail {
    std::shared_ptr<const log_file> log;
    wal_tail state;
    std::vector<std::shared_ptr<const wal_run>> runs;
  };
  struct folder_listing {
    std::set<std::uint64_t> tables, logs;
  };

  explicit core(database_options options) : options_(options), cache_(options.block_cache) {}
  result<folder_listing> list_folder() const;
  result<> open_logs(const folder_listing& listing);
  result<bool> read_manifest();
  result<> read_logs(const manifest_state& state, bool& changed);
  result<std::set<std::uint64_t>> missing_tables(const manifest_state& state,
                                                 const folder_listing& listing) const;
  std::shared_ptr<const version> make_version(const manifest_state& state,
                                              std::set<std::uint64_t> missing) const;
  version_column make_column(const family& f) const;
  // `cursor_of` gives a cursor on the table file with a number.
  template <class CursorOf>
  result<std::optional<value>> get_once(const version& v, const version_column& column, std::string_view key,
                                        bool& vanished, const CursorOf& cursor_of);
  friend class point_reader;

  database_options options_;
  unique_fd folder_;
  block_cache cache_;

  std::mutex refresh_mutex_;  // guards the four below
  std::string manifest_name_;
  std::unique_ptr<manifest_builder> manifest_;
  std::shared_ptr<log_file> manifest_file_;
  std::uint64_t manifest_consumed_ = 0;
  std::map<std::uint64_t, tail> logs_;

  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const version> version_;
  std::list<std::pair<std::uint64_t, std::shared_ptr<const table>>> tables_;  // most recently used first
  std::unordered_map<std::uint64_t, decltype(tables_)::iterator> table_index_;
  std::map<std::uint64_t, lost_range> damaged_;
};

// Look-ups in one column at one moment of the database: what one prepares, the next uses. Not thread-safe.
class point_reader {
 public:
  point_reader(std::shared_ptr<core> state, std::string_view column);
  result<std::optional<value>> get(std::string_view key);
  bool known() const noexcept { return column_ != nullptr; }
  bool empty() const noexcept { return !column_ || (column_->chains.empty() && column_->runs.empty()); }

 private:
  static constexpr std::size_t most_cursors = 8;
  result<table_cursor*> cursor_of(std::uint64_t number);

  std::shared_ptr<core> state_;
  std::shared_ptr<const version> at_;
  const version_column* column_;
  std::string name_;
  std::vector<table_cursor> cursors_;
  std::size_t next_ = 0;
};

// The name of the MANIFEST that CURRENT gives. errc::not_a_ledger when there is none.
result<std::string> read_current(int folder);
// Whether reading failed because the file is gone, damaged or of an unknown format: its rows are lost, the
// walk goes on.
bool is_lost(const error& e) noexcept;
inline bool is_gone(const error& e) noexcept {
  return e.code == boost::system::errc::no_such_file_or_directory;
}

}  // namespace osvm::ledger::rocksdb
