#include "database_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core.hpp"
#include "log_writer.hpp"
#include "table.hpp"
#include "wal.hpp"

namespace osvm::ledger::rocksdb {
namespace {

constexpr std::uint64_t row_overhead = 64;
constexpr int sorted_level = 6, run_level = 0;

// Version edit fields, as manifest.cpp reads them.
constexpr std::uint32_t comparator = 1, log_number = 2, next_file_number = 3, last_sequence = 4,
                        new_file4 = 103, column_family = 200, column_family_add = 201,
                        max_column_family = 203, custom_terminate = 1;
constexpr std::string_view bytewise = "leveldb.BytewiseComparator";

void append_file(std::string& edit, int level, const table_file& f) {
  std::string smallest, largest;
  append_internal_key(smallest, f.smallest, f.largest_sequence);
  append_internal_key(largest, f.largest, f.largest_sequence);
  append_varint(edit, new_file4);
  append_varint(edit, static_cast<std::uint64_t>(level));
  append_varint(edit, f.number);
  append_varint(edit, f.size);
  append_string(edit, smallest);
  append_string(edit, largest);
  append_varint(edit, f.largest_sequence);  // the smallest one: all rows of a file have the same
  append_varint(edit, f.largest_sequence);
  append_varint(edit, custom_terminate);
}

// Whether the runs lie one behind the other, in any order.
bool overlap(std::vector<table_file> files) {
  std::ranges::sort(files, {}, &table_file::smallest);
  for (std::size_t i = 1; i < files.size(); ++i)
    if (files[i].smallest <= files[i - 1].largest) return true;
  return false;
}

}  // namespace

result<database_writer> database_writer::open(const std::string& folder,
                                              const std::vector<std::string>& columns,
                                              writer_options options) {
  database_writer out;
  out.path_ = folder;
  out.options_ = options;
  out.folder_ = unique_fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!out.folder_) return errno_error(folder);
  out.families_.push_back({.name = "default"});
  std::error_code failed;
  OSVM_CHECK(std::filesystem::exists(folder + "/CURRENT", failed) ? out.adopt(folder)
                                                                  : out.remove_leftovers(folder));
  for (const auto& name : columns)
    if (out.column(name) == out.families_.size())
      out.families_.push_back({.name = name, .id = static_cast<std::uint32_t>(out.families_.size())});
  return out;
}

// What a writer that was killed before its first commit left: nothing that counts. A folder with anything
// else is somebody else's: perhaps a damaged database.
result<> database_writer::remove_leftovers(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (const auto& e : std::filesystem::directory_iterator(folder, failed)) {
    const auto name = e.path().filename().string();
    const auto numbered = name.starts_with("MANIFEST-") ? name.substr(9)
                          : name.ends_with(".sst")      ? name.substr(0, name.size() - 4)
                                                        : std::string("x");
    const bool ours = name == "CURRENT.new" || numbered.find_first_not_of("0123456789") == numbered.npos;
    if (!ours || !e.is_regular_file(failed))
      return error(osvm::errc::invalid_argument, folder + " holds something else: " + name);
    names.push_back(name);
  }
  if (failed) return error(failed, folder);
  for (const auto& n : names)
    if (::unlinkat(folder_.get(), n.c_str(), 0) != 0) return errno_error(n);
  return {};
}

// Takes over what an earlier writer of ours committed; its unfinished files are removed.
result<> database_writer::adopt(const std::string& folder) {
  OSVM_TRY(manifest_name_, read_current(folder_.get()));
  const log_file file{.fd = unique_fd(::openat(folder_.get(), manifest_name_.c_str(), O_RDONLY | O_CLOEXEC)),
                      .name = manifest_name_};
  if (!file.fd) return errno_error(folder + "/" + manifest_name_);
  manifest_builder builder;
  OSVM_CHECK(
      read_records(file, 0, [&](std::string_view r, const record_place&) { return builder.apply(r); }));
  const auto state = builder.finish();
  families_.clear();
  std::vector<std::string> kept{"CURRENT", manifest_name_};
  std::uint64_t highest = std::stoull("0" + manifest_name_.substr(manifest_name_.find('-') + 1));
  for (const auto& [id, f] : state.families) {
    if (id != families_.size()) return corrupt(manifest_name_ + ": columns that this writer did not write");
    auto& to = families_.emplace_back(family_state{.name = f.name, .id = id});
    for (const auto& [level, files] : f.levels)
      for (const auto& [number, t] : files) {
        (level == run_level ? to.runs : to.sorted).push_back(t);
        kept.push_back(table::file_name(number, ".sst"));
        highest = std::max(highest, number);
      }
  }
  next_number_ = highest + 1;
  sequence_ = state.last_sequence + 1;
  std::error_code failed;
  for (const auto& e : std::filesystem::directory_iterator(folder, failed))
    if (std::ranges::find(kept, e.path().filename().string()) == kept.end() && e.is_regular_file(failed))
      ::unlinkat(folder_.get(), e.path().filename().c_str(), 0);
  return {};
}

std::size_t database_writer::column(std::string_view name) const {
  const auto at = std::ranges::find(families_, name, &family_state::name);
  return static_cast<std::size_t>(at - families_.begin());
}

result<> database_writer::put(std::size_t column, std::string key, std::string value) {
  buffered_ += key.size() + value.size() + row_overhead;
  families_[column].rows.emplace_back(std::move(key), std::move(value));
  return buffered_ > options_.buffer ? flush_all() : result<>();
}

result<> database_writer::flush_all() {
  for (auto& f : families_) OSVM_CHECK(flush(f));
  buffered_ = 0;
  return {};
}

// Each file has a sequence number of its own: in level 0 they tell which is newer.
result<table_writer> database_writer::begin_table(const family_state& f) {
  return table_writer::create(folder_.get(), {.number = next_number_++,
                                              .family = f.id,
                                              .family_name = f.name,
                                              .sequence = sequence_++,
                                              .block_size = options_.block_size,
                                              .durable = options_.durable});
}

result<> database_writer::end_table(std::optional<table_writer>& table, std::vector<table_file>& to) {
  OSVM_TRY(auto file, table->finish());
  bytes_written_ += file.size;
  to.push_back(std::move(file));
  table.reset();
  return {};
}

result<> database_writer::add_row(const family_state& f, std::optional<table_writer>& table,
                                  std::vector<table_file>& to, std::string_view key, std::string_view value) {
  if (!table) {
    OSVM_TRY(auto t, begin_table(f));
    table.emplace(std::move(t));
  }
  OSVM_CHECK(table->add(key, value));
  return table->size() >= options_.table_size ? end_table(table, to) : result<>();
}

result<> database_writer::flush(family_state& f) {
  if (f.rows.empty()) return {};
  std::ranges::stable_sort(f.rows, {}, &std::pair<std::string, std::string>::first);
  std::optional<table_writer> table;
  for (std::size_t i = 0; i < f.rows.size(); ++i)
    if (i + 1 == f.rows.size() || f.rows[i + 1].first != f.rows[i].first)
      OSVM_CHECK(add_row(f, table, f.runs, f.rows[i].first, f.rows[i].second));
  if (table) OSVM_CHECK(end_table(table, f.runs));
  std::vector<std::pair<std::string, std::string>>().swap(f.rows);
  return {};
}

// Walks the column as a reader sees it and writes it anew.
result<> database_writer::merge(family_state& f, const database& view) {
  OSVM_TRY(auto rows, view.iterate(f.name));
  std::vector<table_file> made;
  std::optional<table_writer> table;
  for (rows.seek_first(); rows.valid(); rows.next())
    OSVM_CHECK(add_row(f, table, made, rows.key(), rows.value().text()));
  OSVM_CHECK(rows.status());
  if (!rows.lost().empty()) return error(errc::lost, rows.lost()[0].file + ": " + rows.lost()[0].reason);
  if (table) OSVM_CHECK(end_table(table, made));
  for (const auto* old : {&f.runs, &f.sorted})
    for (const auto& t : *old) obsolete_.push_back(table::file_name(t.number, ".sst"));
  f.runs.clear();
  f.sorted = std::move(made);
  return {};
}

result<> database_writer::commit() {
  OSVM_CHECK(flush_all());
  return write_manifest();
}

result<> database_writer::finish() {
  OSVM_CHECK(commit());
  if (!options_.merge) return {};
  std::optional<database> view;
  for (auto& f : families_) {
    if (f.runs.size() <= options_.max_runs) continue;
    auto all = f.runs;
    all.insert(all.end(), f.sorted.begin(), f.sorted.end());
    if (!overlap(all)) {  // rows that came in order need no second pass
      f.sorted = std::move(all);
      f.runs.clear();
      continue;
    }
    if (!view) {
      OSVM_TRY(auto opened, database::open(path_));
      view.emplace(std::move(opened));
    }
    OSVM_CHECK(merge(f, *view));
  }
  return write_manifest();
}

std::string database_writer::manifest_records() const {
  std::string out, edit;
  log_writer log(out);
  append_varint(edit, comparator), append_string(edit, bytewise);
  append_varint(edit, log_number), append_varint(edit, 0);
  append_varint(edit, next_file_number), append_varint(edit, next_number_);
  append_varint(edit, last_sequence), append_varint(edit, sequence_);
  append_varint(edit, max_column_family), append_varint(edit, families_.size() - 1);
  log.add(edit);
  for (const auto& f : families_) {
    if (f.id == 0) continue;
    edit.clear();
    append_varint(edit, comparator), append_string(edit, bytewise);
    append_varint(edit, log_number), append_varint(edit, 0);
    append_varint(edit, column_family), append_varint(edit, f.id);
    append_varint(edit, column_family_add), append_string(edit, f.name);
    log.add(edit);
  }
  for (const auto& f : families_)
    for (const auto& [level, files] : {std::pair{run_level, &f.runs}, std::pair{sorted_level, &f.sorted}})
      for (const auto& t : *files) {
        edit.clear();
        if (f.id != 0) append_varint(edit, column_family), append_varint(edit, f.id);
        append_file(edit, level, t);
        log.add(edit);
      }
  return out;
}

result<> database_writer::write_file(const std::string& name, std::string_view bytes) {
  const unique_fd fd(::openat(folder_.get(), name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return errno_error(name);
  while (!bytes.empty()) {
    const auto n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(name);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (options_.durable && ::fsync(fd.get()) != 0) return errno_error(name);
  return {};
}

// The old MANIFEST counts until CURRENT names the new one: a crash leaves one or the other.
result<> database_writer::write_manifest() {
  const auto number = next_number_++;
  const auto name = "MANIFEST-" + table::file_name(number, "");
  OSVM_CHECK(write_file(name, manifest_records()));
  OSVM_CHECK(write_file("CURRENT.new", name + "\n"));
  if (::renameat(folder_.get(), "CURRENT.new", folder_.get(), "CURRENT") != 0) return errno_error("CURRENT");
  if (options_.durable && ::fsync(folder_.get()) != 0) return errno_error(path_);
  if (!manifest_name_.empty()) ::unlinkat(folder_.get(), manifest_name_.c_str(), 0);
  for (const auto& o : obsolete_) ::unlinkat(folder_.get(), o.c_str(), 0);
  obsolete_.clear();
  manifest_name_ = name;
  return {};
}

}  // namespace osvm::ledger::rocksdb
