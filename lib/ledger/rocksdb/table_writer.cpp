#include "table_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "table.hpp"

namespace osvm::ledger::rocksdb {
namespace {

constexpr std::uint64_t magic = 0x88e241b785f4cff7;
constexpr std::uint32_t format_version = 5;
constexpr std::size_t write_size = 1 << 20, footer_handles = 40;
constexpr unsigned data_restart = 16;

template <class T>
void append_fixed(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

std::string encode(const block_handle& h) {
  std::string out;
  append_varint(out, h.offset);
  append_varint(out, h.size);
  return out;
}

}  // namespace

void block_builder::add(std::string_view key, std::string_view value) {
  std::size_t shared = 0;
  if (restarts_.empty() || since_restart_ == interval_) {
    restarts_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    since_restart_ = 0;
  } else {
    const auto end = std::ranges::mismatch(key, last_key_).in1;
    shared = static_cast<std::size_t>(end - key.begin());
  }
  append_varint(bytes_, shared);
  append_varint(bytes_, key.size() - shared);
  if (with_length_) append_varint(bytes_, value.size());
  bytes_ += key.substr(shared);
  bytes_ += value;
  last_key_ = key;
  ++since_restart_;
}

std::string block_builder::finish() {
  if (restarts_.empty()) restarts_.push_back(0);
  for (const auto r : restarts_) append_fixed(bytes_, r);
  append_fixed(bytes_, static_cast<std::uint32_t>(restarts_.size()));
  restarts_.clear();
  last_key_.clear();
  since_restart_ = 0;
  return std::exchange(bytes_, {});
}

// The index has a restart point at each row, so that no handle is stored as a difference.
table_writer::table_writer(unique_fd fd, table_identity identity)
    : fd_(std::move(fd)),
      identity_(std::move(identity)),
      name_(table::file_name(identity_.number, ".sst")),
      data_(data_restart),
      index_(1, false) {}

result<table_writer> table_writer::create(int folder, table_identity identity) {
  const auto name = table::file_name(identity.number, ".sst");
  unique_fd fd(::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return errno_error(name);
  return table_writer(std::move(fd), std::move(identity));
}

result<> table_writer::drain() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const auto n = ::write(fd_.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(name_);
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  buffer_.clear();
  return {};
}

result<> table_writer::write(std::string_view bytes) {
  buffer_ += bytes;
  offset_ += bytes.size();
  if (buffer_.size() >= write_size) return drain();
  return {};
}

result<block_handle> table_writer::write_block(std::string_view block) {
  const block_handle at{offset_, block.size()};
  constexpr char plain = 0;
  std::string trailer(1, plain);
  append_fixed(trailer, block_checksum(checksum_type::crc32c, block, plain));
  OSVM_CHECK(write(block));
  OSVM_CHECK(write(trailer));
  return at;
}

result<> table_writer::flush_block() {
  if (data_.empty()) return {};
  OSVM_TRY(const auto at, write_block(data_.finish()));
  index_.add(last_, encode(at));
  ++blocks_;
  return {};
}

result<> table_writer::add(std::string_view key, std::string_view value) {
  if (rows_ == 0)
    first_ = key;
  else if (key <= last_)
    return error(osvm::errc::invalid_argument, name_ + ": rows out of order");
  internal_.clear();
  append_internal_key(internal_, key, identity_.sequence);
  data_.add(internal_, value);
  last_ = key;
  ++rows_;
  key_bytes_ += internal_.size();
  value_bytes_ += value.size();
  return data_.size() >= identity_.block_size ? flush_block() : result<>();
}

std::string table_writer::properties(const block_handle& index, std::uint64_t index_size) const {
  std::map<std::string, std::string> rows;
  auto number = [&](const char* name, std::uint64_t v) {
    append_varint(rows[std::string("rocksdb.") + name], v);
  };
  append_fixed(rows["rocksdb.block.based.table.index.type"], std::uint32_t{0});
  rows["rocksdb.block.based.table.prefix.filtering"] = "0";
  rows["rocksdb.block.based.table.whole.key.filtering"] = "1";
  rows["rocksdb.column.family.name"] = identity_.family_name;
  rows["rocksdb.comparator"] = "leveldb.BytewiseComparator";
  rows["rocksdb.compression"] = "NoCompression";
  rows["rocksdb.merge.operator"] = "nullptr";
  number("column.family.id", identity_.family);
  number("data.size", index.offset);
  number("deleted.keys", 0);
  number("filter.size", 0);
  number("fixed.key.length", 0);
  number("format.version", 0);
  number("index.key.is.user.key", 1);
  number("index.size", index_size);
  number("index.value.is.delta.encoded", 1);
  number("merge.operands", 0);
  number("num.data.blocks", blocks_);
  number("num.entries", rows_);
  number("num.range-deletions", 0);
  number("raw.key.size", key_bytes_);
  number("raw.value.size", value_bytes_);
  block_builder block(1);
  for (const auto& [name, value] : rows) block.add(name, value);
  return block.finish();
}

result<table_file> table_writer::finish() {
  OSVM_CHECK(flush_block());
  const auto index = index_.finish();
  OSVM_TRY(const auto index_at, write_block(index));
  OSVM_TRY(const auto properties_at, write_block(properties(index_at, index.size() + block_trailer)));
  block_builder meta(1);
  meta.add("rocksdb.properties", encode(properties_at));
  OSVM_TRY(const auto meta_at, write_block(meta.finish()));
  std::string footer(1, static_cast<char>(checksum_type::crc32c));
  footer += encode(meta_at) + encode(index_at);
  footer.resize(1 + footer_handles, '\0');
  append_fixed(footer, format_version);
  append_fixed(footer, magic);
  OSVM_CHECK(write(footer));
  OSVM_CHECK(drain());
  if (identity_.durable && ::fsync(fd_.get()) != 0) return errno_error(name_);
  return table_file{.number = identity_.number,
                    .size = offset_,
                    .smallest = first_,
                    .largest = last_,
                    .largest_sequence = identity_.sequence};
}

}  // namespace osvm::ledger::rocksdb
