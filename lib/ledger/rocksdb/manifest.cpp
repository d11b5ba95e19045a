#include "manifest.hpp"

#include <algorithm>
#include <optional>

namespace osvm::ledger::rocksdb {
namespace {

enum tag : std::uint32_t {
  comparator = 1,
  log_number = 2,
  next_file_number = 3,
  last_sequence = 4,
  compact_cursor = 5,
  deleted_file = 6,
  new_file = 7,
  prev_log_number = 9,
  min_log_number_to_keep = 10,
  new_file2 = 100,
  new_file3 = 102,
  new_file4 = 103,
  column_family = 200,
  column_family_add = 201,
  column_family_drop = 202,
  max_column_family = 203,
  in_atomic_group = 300,
  blob_file_addition = 400,
  blob_file_garbage = 401,
  safe_to_ignore = 1 << 13,
  wal_addition = safe_to_ignore + 4,  // the two without a length in front
  wal_deletion = safe_to_ignore + 5,
};

constexpr std::uint32_t custom_terminate = 1, custom_must_know = 1 << 6, custom_path_id = 65;
constexpr std::size_t max_group = 1 << 16;

struct edit {
  std::uint32_t family_id = 0;
  std::optional<std::string> add;
  bool drop = false;
  std::optional<std::uint64_t> log;
  std::optional<std::uint64_t> sequence;
  std::vector<std::pair<int, std::uint64_t>> deleted;
  std::vector<std::pair<int, table_file>> added;
  std::optional<std::uint32_t> group_remaining;
};

result<> read_custom_fields(slice_reader& in) {
  while (in.ok()) {
    const auto field = in.varint32();
    if (field == custom_terminate) return {};
    const auto text = in.string();
    if (field == custom_path_id) {
      if (!text.empty() && text != std::string_view("\0", 1))
        return error(errc::unsupported_format, "MANIFEST: table files in a second folder");
    } else if (field & custom_must_know) {
      return error(errc::unsupported_format, "MANIFEST: file attribute " + std::to_string(field));
    }
  }
  return {};
}

result<> read_new_file(slice_reader& in, std::uint32_t which, edit& out) {
  const auto level = static_cast<int>(in.varint32());
  table_file file;
  file.number = in.varint64();
  if (which == new_file3 && in.varint32() != 0)
    return error(errc::unsupported_format, "MANIFEST: table files in a second folder");
  file.size = in.varint64();
  internal_key smallest, largest;
  const bool first = split_internal_key(in.string(), smallest);
  const bool keys = split_internal_key(in.string(), largest) && first;
  if (which != new_file) {
    in.varint64();
    file.largest_sequence = in.varint64();
  }
  if (which == new_file4) OSVM_CHECK(read_custom_fields(in));
  if (!in.ok() || !keys || level > 63) return corrupt("MANIFEST: a malformed file entry");
  file.smallest = smallest.user;
  file.largest = largest.user;
  out.added.emplace_back(level, std::move(file));
  return {};
}

void skip_wal_addition(slice_reader& in) {
  in.varint64();
  while (in.ok()) {
    if (in.varint32() == 1) return;  // terminate
    in.varint64();                   // synced size
  }
}

result<> read_field(slice_reader& in, std::uint32_t which, edit& out) {
  switch (which) {
    case comparator:
      if (in.string() != "leveldb.BytewiseComparator")
        return error(errc::unsupported_format, "a column with a comparator that is not bytewise");
      return {};
    case log_number: out.log = in.varint64(); return {};
    case last_sequence: out.sequence = in.varint64(); return {};
    case next_file_number:
    case prev_log_number:
    case min_log_number_to_keep: in.varint64(); return {};
    case compact_cursor: in.varint32(), in.string(); return {};
    case deleted_file: {
      const auto level = static_cast<int>(in.varint32());
      out.deleted.emplace_back(level, in.varint64());
      return {};
    }
    case new_file:
    case new_file2:
    case new_file3:
    case new_file4: return read_new_file(in, which, out);
    case column_family: out.family_id = in.varint32(); return {};
    case column_family_add: out.add = std::string(in.string()); return {};
    case column_family_drop: out.drop = true; return {};
    case max_column_family: in.varint32(); return {};
    case in_atomic_group: out.group_remaining = in.varint32(); return {};
    case wal_addition: skip_wal_addition(in); return {};
    case wal_deletion: in.varint64(); return {};
    case blob_file_addition:
    case blob_file_garbage: return error(errc::unsupported_format, "MANIFEST: blob files");
    default:
      if (!(which & safe_to_ignore))
        return error(errc::unsupported_format, "MANIFEST: version edit field " + std::to_string(which));
      in.string();
      return {};
  }
}

result<edit> read_edit(std::string_view record) {
  slice_reader in(record);
  edit out;
  while (in.ok() && !in.empty()) OSVM_CHECK(read_field(in, in.varint32(), out));
  if (!in.ok()) return corrupt("MANIFEST: a version edit that ends too early");
  return out;
}

}  // namespace

manifest_builder::manifest_builder() {
  state_.families[0] = {.id = 0, .name = "default"};
}

result<> manifest_builder::apply(std::string_view record) {
  OSVM_TRY(const auto e, read_edit(record));
  if (!e.group_remaining) {
    group_.clear();  // a group that was never finished does not count
    return apply_now(record);
  }
  if (group_.size() >= max_group) return corrupt("MANIFEST: an atomic group without an end");
  group_.emplace_back(record);
  if (*e.group_remaining != 0) return {};
  const auto whole = std::move(group_);
  group_.clear();
  for (const auto& r : whole) OSVM_CHECK(apply_now(r));
  return {};
}

result<> manifest_builder::apply_now(std::string_view record) {
  OSVM_TRY(auto e, read_edit(record));
  if (e.sequence) state_.last_sequence = std::max(state_.last_sequence, *e.sequence);
  if (e.add) {
    state_.families[e.family_id] = {
        .id = e.family_id, .name = std::move(*e.add), .log_number = e.log.value_or(0)};
    return {};
  }
  if (e.drop) {
    state_.families.erase(e.family_id);
    return {};
  }
  const auto at = state_.families.find(e.family_id);
  if (at == state_.families.end()) return {};  // of a column that was dropped
  auto& f = at->second;
  if (e.log) f.log_number = std::max(f.log_number, *e.log);
  for (const auto& [level, number] : e.deleted)
    if (const auto files = f.levels.find(level); files != f.levels.end()) files->second.erase(number);
  for (auto& [level, file] : e.added) f.levels[level][file.number] = std::move(file);
  return {};
}

manifest_state manifest_builder::finish() const {
  manifest_state out = state_;
  out.min_log = ~0ULL;
  for (const auto& [id, f] : out.families) out.min_log = std::min(out.min_log, f.log_number);
  return out;
}

}  // namespace osvm::ledger::rocksdb
