#include <algorithm>

#include "iterator.hpp"

namespace osvm::ledger::rocksdb {
namespace {

class run_source final : public source {
 public:
  run_source(std::shared_ptr<const wal_run> run, std::uint32_t family)
      : run_(std::move(run)), rows_(run_->column(family)->rows), at_(rows_.size()) {}

  void seek_first() override { at_ = 0; }
  void seek_last() override { at_ = rows_.empty() ? 0 : rows_.size() - 1; }
  void seek(std::string_view key) override {
    at_ = static_cast<std::size_t>(std::ranges::lower_bound(rows_, key, std::less<>{}, &wal_row::key) -
                                   rows_.begin());
  }
  void seek_before(std::string_view key) override {
    seek(key);
    prev();
  }
  void next() override { ++at_; }
  void prev() override { at_ = at_ == 0 ? rows_.size() : at_ - 1; }
  bool valid() const noexcept override { return at_ < rows_.size(); }
  internal_key key() const noexcept override {
    return {rows_[at_].key, rows_[at_].sequence, rows_[at_].kind};
  }
  result<rocksdb::value> value() const override { return run_->value_of(rows_[at_], run_); }

 private:
  std::shared_ptr<const wal_run> run_;
  const std::vector<wal_row>& rows_;
  std::size_t at_;
};

class chain_source final : public source {
 public:
  chain_source(const chain& c, walk_context& walk) : files_(c.files), walk_(walk) {}

  void seek_first() override {
    enter(0, true, [](table_cursor& c) { c.seek_first(); });
  }
  void seek_last() override {
    enter(files_.size() - 1, false, [](table_cursor& c) { c.seek_last(); });
  }
  void seek(std::string_view key) override {
    const auto at = std::ranges::lower_bound(files_, key, std::less<>{},
                                             [](const table_file& f) { return std::string_view(f.largest); });
    enter(static_cast<std::size_t>(at - files_.begin()), true, [&](table_cursor& c) { c.seek(key); });
  }
  void seek_before(std::string_view key) override {
    const auto at = std::ranges::lower_bound(
        files_, key, std::less<>{}, [](const table_file& f) { return std::string_view(f.smallest); });
    enter(static_cast<std::size_t>(at - files_.begin()) - 1, false,
          [&](table_cursor& c) { c.seek_before(key); });
  }
  void next() override {
    cursor_->next();
    settle(true);
  }
  void prev() override {
    cursor_->prev();
    settle(false);
  }
  bool valid() const noexcept override { return cursor_ && cursor_->valid(); }
  internal_key key() const noexcept override {
    internal_key k;
    split_internal_key(cursor_->key(), k);
    return k;
  }
  result<rocksdb::value> value() const override { return cursor_->value(); }

 private:
  // Opens the file at `index` (past either end: nothing is left), positions the cursor, and goes on while it
  // is empty.
  template <class F>
  void enter(std::size_t index, bool forward, F position) {
    cursor_.reset();
    index_ = index;
    if (open()) position(*cursor_);
    settle(forward);
  }
  void settle(bool forward) {
    while (index_ < files_.size() && !walk_.vanished) {
      if (cursor_ && !cursor_->status()) give_up(cursor_->status().error());
      if (cursor_ && cursor_->valid()) return;
      index_ += forward ? 1 : static_cast<std::size_t>(-1);
      if (!open()) continue;
      forward ? cursor_->seek_first() : cursor_->seek_last();
    }
    cursor_.reset();
  }
  bool open() {
    cursor_.reset();
    if (index_ >= files_.size() || walk_.lost_files.contains(files_[index_].number)) return false;
    auto t = walk_.state->open_table(files_[index_].number);
    if (!t) return give_up(t.error()), false;
    if (!(*t)->tombstones().empty() && walk_.opened.insert(files_[index_].number).second)
      add_tombstones((*t)->tombstones(), files_[index_]);
    cursor_.emplace(std::move(*t), walk_.state->cache());
    return true;
  }
  // A range counts inside its file's bounds only: rows of the lowest level behind them may have lost their
  // sequence numbers.
  void add_tombstones(std::vector<range_tombstone> ranges, const table_file& f) {
    for (auto& r : ranges) {
      r.begin = std::max(r.begin, f.smallest);
      r.end = std::min(r.end, f.largest + '\0');
    }
    walk_.tombstones.add(ranges);
  }
  void give_up(const error& e) {
    cursor_.reset();
    const auto& f = files_[index_];
    if (!is_lost(e)) {
      walk_.status = e;
      index_ = files_.size();
      return;
    }
    const bool known = walk_.at->missing.contains(f.number);
    if (is_gone(e) && !known) {
      walk_.vanished = true;
      return;
    }
    lost_range range{walk_.column->name, table::file_name(f.number, ".sst"), f.smallest, f.largest,
                     known ? "the file is missing" : e.to_string()};
    if (!known) walk_.state->name_lost(range);
    if (walk_.lost_files.insert(f.number).second) walk_.lost.push_back(std::move(range));
  }

  const std::vector<table_file>& files_;
  walk_context& walk_;
  std::size_t index_ = 0;
  std::optional<table_cursor> cursor_;
};

}  // namespace

std::unique_ptr<source> make_run_source(std::shared_ptr<const wal_run> run, std::uint32_t family) {
  return std::make_unique<run_source>(std::move(run), family);
}
std::unique_ptr<source> make_chain_source(const chain& files, walk_context& walk) {
  return std::make_unique<chain_source>(files, walk);
}

}  // namespace osvm::ledger::rocksdb
