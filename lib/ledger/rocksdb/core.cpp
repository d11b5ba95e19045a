// How a consistent view is taken beside a writer: first the logs that exist are opened, then the MANIFEST is
// read. Rows of a log that vanished before are in table files that the MANIFEST already names; rows of an
// opened log stay readable. Table files are opened when first needed; one that has vanished by then was
// compacted away, so the MANIFEST is read again.
#include "core.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace osvm::ledger::rocksdb {
namespace {

constexpr int manifest_tries = 4;
constexpr std::size_t runs_before_merge = 8;

bool parse_number(std::string_view name, std::string_view suffix, std::uint64_t& out) {
  if (!name.ends_with(suffix)) return false;
  name.remove_suffix(suffix.size());
  const auto [end, e] = std::from_chars(name.data(), name.data() + name.size(), out);
  return e == std::errc{} && end == name.data() + name.size() && !name.empty();
}

// Level 0 files overlap: deal them into runs that do not.
void add_chains(int level, std::vector<table_file> files, std::vector<chain>& out) {
  std::ranges::sort(files, {}, &table_file::smallest);
  if (level > 0) {
    out.push_back({level, std::move(files)});
    return;
  }
  // The run whose last file ends earliest takes the next file, if that begins behind it.
  std::multimap<std::string, std::size_t> ends;
  const std::size_t base = out.size();
  for (auto& f : files) {
    std::size_t run;
    if (!ends.empty() && ends.begin()->first < f.smallest) {
      run = ends.begin()->second;
      ends.erase(ends.begin());
    } else {
      run = out.size() - base;
      out.push_back({level, {}});
    }
    ends.emplace(f.largest, run);
    out[base + run].files.push_back(std::move(f));
  }
}

}  // namespace

result<std::string> read_current(int folder) {
  const unique_fd fd(::openat(folder, "CURRENT", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) {
    if (errno == ENOENT) return error(errc::not_a_ledger, "no file CURRENT");
    return errno_error("CURRENT");
  }
  char text[64];
  const auto n = ::read(fd.get(), text, sizeof text);
  if (n < 0) return errno_error("CURRENT");
  std::string_view name(text, static_cast<std::size_t>(n));
  while (!name.empty() && (name.back() == '\n' || name.back() == '\0')) name.remove_suffix(1);
  std::uint64_t number;
  if (!name.starts_with("MANIFEST-") || !parse_number(name.substr(9), "", number))
    return corrupt("CURRENT names no MANIFEST");
  return std::string(name);
}

bool is_lost(const error& e) noexcept {
  return is_gone(e) || e.code == errc::corrupt || e.code == errc::unsupported_format ||
         e.code == errc::lost || e.code == osvm::errc::truncated || e.code == osvm::errc::limit_exceeded;
}

const version_column* version::find(std::string_view name) const {
  const auto at = std::ranges::find(columns, name, &version_column::name);
  return at == columns.end() ? nullptr : &*at;
}

result<std::shared_ptr<core>> core::open(const std::string& folder, database_options options) {
  const std::shared_ptr<core> c(new core(options));
  c->folder_ = unique_fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!c->folder_) return errno_error(folder);
  OSVM_CHECK(c->refresh());
  return c;
}

std::shared_ptr<const version> core::current() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

result<core::folder_listing> core::list_folder() const {
  const int fd = ::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error("the database's folder");
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd), ::closedir);
  if (!dir) {
    const auto e = errno_error("the database's folder");
    ::close(fd);
    return e;
  }
  folder_listing out;
  while (const auto* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    std::uint64_t number;
    if (parse_number(name, ".sst", number) || parse_number(name, ".ldb", number)) out.tables.insert(number);
    if (parse_number(name, ".log", number)) out.logs.insert(number);
  }
  return out;
}

result<> core::open_logs(const folder_listing& listing) {
  for (const auto number : listing.logs) {
    if (logs_.contains(number)) continue;
    auto log = std::make_shared<log_file>();
    log->number = number;
    log->name = table::file_name(number, ".log");
    log->fd =
        unique_fd(::openat(folder_.get(), log->name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!log->fd && errno == ENOENT) continue;  // flushed in the meantime
    if (!log->fd) return errno_error(log->name);
    struct ::stat st {};
    if (::fstat(log->fd.get(), &st) != 0) return errno_error(log->name);
    if (!S_ISREG(st.st_mode)) return corrupt(log->name + ": not a regular file");
    logs_[number].log = std::move(log);
  }
  return {};
}

// True when it said something new.
result<bool> core::read_manifest() {
  OSVM_TRY(const auto name, read_current(folder_.get()));
  bool changed = false;
  if (name != manifest_name_) {
    auto file = std::make_shared<log_file>();
    file->name = name;
    parse_number(std::string_view(name).substr(9), "", file->number);
    file->fd = unique_fd(::openat(folder_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!file->fd) return errno_error(name);
    struct ::stat st {};
    if (::fstat(file->fd.get(), &st) != 0) return errno_error(name);
    if (!S_ISREG(st.st_mode)) return corrupt(name + ": not a regular file");
    if (static_cast<std::uint64_t>(st.st_size) > options_.max_manifest)
      return error(osvm::errc::limit_exceeded, name + " is larger than the limit");
    manifest_ = std::make_unique<manifest_builder>();
    manifest_file_ = std::move(file);
    manifest_name_ = name;
    manifest_consumed_ = 0;
    changed = true;
  }
  OSVM_TRY(const auto end, read_records(*manifest_file_, manifest_consumed_,
                                        [&](std::string_view record, const record_place&) -> result<> {
                                          changed = true;
                                          return manifest_->apply(record);
                                        }));
  if (!end.damage.empty()) return corrupt(manifest_name_ + ": " + end.damage);
  if (end.consumed == 0) return corrupt(manifest_name_ + " holds nothing");
  manifest_consumed_ = end.consumed;
  return changed;
}

result<> core::read_logs(const manifest_state& state, bool& changed) {
  std::erase_if(logs_, [&](const auto& entry) { return entry.first < state.min_log; });
  for (auto& [number, t] : logs_) {
    auto run = std::make_shared<wal_run>(t.log);
    const bool merge = t.runs.size() >= runs_before_merge;
    OSVM_TRY(auto end, read_log(*t.log, merge ? 0 : t.state.consumed, options_.max_wal_rows, *run));
    const bool grown = end.consumed != t.state.consumed || end.damage != t.state.damage;
    t.state = std::move(end);
    if (!grown) continue;
    changed = true;
    run->finish();
    if (merge) t.runs.clear();
    if (run->rows()) t.runs.insert(t.runs.begin(), std::move(run));
  }
  return {};
}

result<std::set<std::uint64_t>> core::missing_tables(const manifest_state& state,
                                                     const folder_listing& listing) const {
  std::set<std::uint64_t> out;
  for (const auto& [id, f] : state.families)
    for (const auto& [level, files] : f.levels)
      for (const auto& [number, file] : files) {
        if (listing.tables.contains(number)) continue;
        if (::faccessat(folder_.get(), table::file_name(number, ".sst").c_str(), F_OK, 0) == 0) continue;
        if (errno != ENOENT) return errno_error(table::file_name(number, ".sst"));
        out.insert(number);
      }
  return out;
}

version_column core::make_column(const family& f) const {
  version_column out{.id = f.id, .name = f.name};
  for (const auto& [level, files] : f.levels) {
    std::vector<table_file> all;
    for (const auto& [number, file] : files) all.push_back(file);
    if (!all.empty()) add_chains(level, std::move(all), out.chains);
  }
  for (auto log = logs_.rbegin(); log != logs_.rend(); ++log) {
    if (log->first < f.log_number) continue;  // in table files already
    for (const auto& run : log->second.runs) {
      const auto* column = run->column(f.id);
      if (!column) continue;
      out.runs.push_back(run);
      out.log_tombstones.add(column->tombstones);
      out.log_ranges.insert(out.log_ranges.end(), column->tombstones.begin(), column->tombstones.end());
    }
  }
  return out;
}

std::shared_ptr<const version> core::make_version(const manifest_state& state,
                                                  std::set<std::uint64_t> missing) const {
  auto out = std::make_shared<version>();
  out->sequence = state.last_sequence;
  for (const auto& [id, f] : state.families) {
    out->columns.push_back(make_column(f));
    for (const auto& [level, files] : f.levels)
      for (const auto& [number, file] : files)
        if (missing.contains(number))
          out->lost.push_back(
              {f.name, table::file_name(number, ".sst"), file.smallest, file.largest, "the file is missing"});
  }
  for (const auto& [number, t] : logs_) {
    for (const auto& run : t.runs) out->sequence = std::max(out->sequence, run->last_sequence());
    if (!t.state.damage.empty())
      out->lost.push_back({"", t.log->name, "", "", t.state.damage + ", the rest was not read"});
  }
  out->missing = std::move(missing);
  return out;
}

result<bool> core::refresh() {
  const std::lock_guard refreshing(refresh_mutex_);
  bool changed = false;
  for (int attempt = 1;; ++attempt) {
    OSVM_TRY(const auto listing, list_folder());
    OSVM_CHECK(open_logs(listing));
    auto manifest = read_manifest();
    if (!manifest && is_gone(manifest.error()) && attempt < manifest_tries)
      continue;  // it was replaced just now
    OSVM_CHECK(manifest);
    changed |= *manifest;
    const auto state = manifest_->finish();
    OSVM_CHECK(read_logs(state, changed));
    OSVM_TRY(auto missing, missing_tables(state, listing));
    const auto before = current();
    const bool news = !before || before->missing != missing;
    if (!missing.empty() && news && attempt < manifest_tries) {
      OSVM_TRY(const bool moved, read_manifest());  // a writer may have compacted them away in between
      if (moved) {
        changed = true;
        continue;
      }
    }
    if (!changed && !news) return false;
    auto made = make_version(state, std::move(missing));
    const std::lock_guard lock(mutex_);
    version_ = std::move(made);
    return true;
  }
}

result<std::shared_ptr<const table>> core::open_table(std::uint64_t number) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = table_index_.find(number); at != table_index_.end()) {
      tables_.splice(tables_.begin(), tables_, at->second);
      return at->second->second;
    }
  }
  OSVM_TRY(auto opened, table::open(folder_.get(), number, options_.max_block));
  const std::lock_guard lock(mutex_);
  if (!table_index_.contains(number)) {
    tables_.emplace_front(number, opened);
    table_index_[number] = tables_.begin();
    if (tables_.size() > options_.max_open_tables) {
      table_index_.erase(tables_.back().first);
      tables_.pop_back();
    }
  }
  return opened;
}

void core::name_lost(lost_range range) {
  std::uint64_t number = 0;
  parse_number(range.file, ".sst", number);
  const std::lock_guard lock(mutex_);
  damaged_.try_emplace(number, std::move(range));
}

std::vector<lost_range> core::lost() const {
  const std::lock_guard lock(mutex_);
  auto out = version_->lost;
  for (const auto& [number, range] : damaged_)
    if (!version_->missing.contains(number)) out.push_back(range);
  return out;
}

// point look-up

namespace {

// The newest entry for a key that was seen so far.
struct candidate {
  bool found = false;
  std::uint64_t sequence = 0;
  entry_kind kind = entry_kind::value;
  rocksdb::value value;
};

const table_file* file_for(const chain& c, std::string_view key) {
  const auto at = std::ranges::lower_bound(c.files, key, std::less<>{},
                                           [](const table_file& f) { return std::string_view(f.largest); });
  return at == c.files.end() || std::string_view(at->smallest) > key ? nullptr : &*at;
}

result<std::optional<value>> judge(const candidate& best, std::uint64_t covered, std::string_view column) {
  if (!best.found || covered > best.sequence) return std::optional<value>{};
  switch (best.kind) {
    case entry_kind::value: return std::optional<value>(best.value);
    case entry_kind::deletion:
    case entry_kind::single_deletion: return std::optional<value>{};
    default:
      return error(errc::unsupported_format, "column " + std::string(column) + ": a row of kind " +
                                                 std::to_string(static_cast<int>(best.kind)));
  }
}

}  // namespace

result<std::optional<value>> core::get(std::string_view column, std::string_view key) {
  for (int attempt = 1;; ++attempt) {
    const auto v = current();
    const auto* c = v->find(column);
    if (!c) return error(errc::no_such_column, std::string(column));
    bool vanished = false;
    std::optional<table_cursor> cursor;
    auto found = get_once(*v, *c, key, vanished, [&](std::uint64_t number) -> result<table_cursor*> {
      OSVM_TRY(auto t, open_table(number));
      return &cursor.emplace(std::move(t), &cache_);
    });
    if (!vanished || attempt == manifest_tries) return found;
    OSVM_CHECK(refresh());
  }
}

template <class CursorOf>
result<std::optional<value>> core::get_once(const version& v, const version_column& column,
                                            std::string_view key, bool& vanished, const CursorOf& cursor_of) {
  candidate best;
  std::uint64_t covered = column.log_tombstones.covering(key);
  for (const auto& run : column.runs) {
    const auto& rows = run->column(column.id)->rows;
    const auto at = std::ranges::lower_bound(rows, key, std::less<>{}, &wal_row::key);
    if (at == rows.end() || at->key != key || (best.found && best.sequence > at->sequence)) continue;
    OSVM_TRY(auto bytes, run->value_of(*at, run));
    best = {true, at->sequence, at->kind, std::move(bytes)};
  }
  if (best.found) return judge(best, covered, column.name);

  std::optional<error> lost;
  int level = 0;
  for (const auto& c : column.chains) {
    if (best.found && c.level > level) break;  // deeper levels are older
    level = c.level;
    // Neighbours may share their boundary key; every file that holds it is asked.
    for (const auto* f = file_for(c, key);
         f && f != c.files.data() + c.files.size() && std::string_view(f->smallest) <= key; ++f) {
      const auto cursor = cursor_of(f->number);
      result<> read = cursor ? result<>() : result<>(cursor.error());
      if (cursor) {
        auto& at = **cursor;
        covered = std::max(covered, at.of().covering(key));
        at.seek(key);
        read = at.status();
        internal_key k;
        if (at.valid() && split_internal_key(at.key(), k) && k.user == key &&
            (!best.found || k.sequence > best.sequence))
          best = {true, k.sequence, k.kind, at.value()};
      }
      if (read) continue;
      if (!is_lost(read.error())) return read.error();
      if (is_gone(read.error()) && !v.missing.contains(f->number)) vanished = true;
      if (!is_gone(read.error()))
        name_lost({column.name, table::file_name(f->number, ".sst"), f->smallest, f->largest,
                   read.error().to_string()});
      lost = error(errc::lost, table::file_name(f->number, ".sst") + " of column " + column.name + ": " +
                                   read.error().context);
    }
  }
  if (lost && !best.found) return *lost;
  return judge(best, covered, column.name);
}

// look-ups in a row

point_reader::point_reader(std::shared_ptr<core> state, std::string_view column)
    : state_(std::move(state)), at_(state_->current()), column_(at_->find(column)), name_(column) {}

result<table_cursor*> point_reader::cursor_of(std::uint64_t number) {
  for (auto& c : cursors_)
    if (c.of().number() == number && c.status()) return &c;
  OSVM_TRY(auto t, state_->open_table(number));
  table_cursor made(std::move(t), state_->cache());
  if (cursors_.size() < most_cursors) return &cursors_.emplace_back(std::move(made));
  auto& place = cursors_[next_++ % most_cursors];
  place = std::move(made);
  return &place;
}

result<std::optional<value>> point_reader::get(std::string_view key) {
  if (!column_) return error(errc::no_such_column, name_);
  bool vanished = false;
  auto found = state_->get_once(*at_, *column_, key, vanished,
                                [this](std::uint64_t number) { return cursor_of(number); });
  return vanished ? state_->get(name_, key) : std::move(found);
}

}  // namespace osvm::ledger::rocksdb
