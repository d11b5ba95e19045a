#include "table.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "decompress.hpp"

namespace osvm::ledger::rocksdb {
namespace {

constexpr std::uint64_t block_based_magic = 0x88e241b785f4cff7, legacy_magic = 0xdb4775248b80fb57;
constexpr std::size_t footer_size = 53;
constexpr std::uint32_t newest_version = 7;

// From format_version 6 on a block's checksum also depends on the file and on where in it the block lies.
std::uint32_t context_modifier(std::uint32_t base, std::uint64_t offset) noexcept {
  if (base == 0) return 0;
  return base ^ (static_cast<std::uint32_t>(offset) + static_cast<std::uint32_t>(offset >> 32));
}

result<> read_exactly(int fd, char* to, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    const auto n = ::pread(fd, to, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("table file");
    if (n == 0) return error(osvm::errc::truncated, "table file");
    to += n;
    size -= static_cast<std::size_t>(n);
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

bool read_handle(slice_reader& in, block_handle& out) {
  out = {in.varint64(), in.varint64()};
  return in.ok();
}

}  // namespace

std::string table::file_name(std::uint64_t number, const char* suffix) {
  char text[40];
  const int n = std::snprintf(text, sizeof text, "%06llu%s", static_cast<unsigned long long>(number), suffix);
  return {text, static_cast<std::size_t>(n)};
}

error table::damaged(const std::string& what, std::uint64_t offset) const {
  return corrupt(name() + ": " + what + " at offset " + std::to_string(offset));
}

result<std::shared_ptr<const table>> table::open(int folder, std::uint64_t number, std::size_t max_block) {
  const std::shared_ptr<table> t(new table);
  t->number_ = number;
  t->max_block_ = max_block;
  t->fd_ = unique_fd(::openat(folder, t->name().c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!t->fd_) return errno_error(t->name());
  struct ::stat st {};
  if (::fstat(t->fd_.get(), &st) != 0) return errno_error(t->name());
  if (!S_ISREG(st.st_mode)) return corrupt(t->name() + ": not a regular file");
  t->size_ = static_cast<std::uint64_t>(st.st_size);
  OSVM_CHECK(t->read_footer());
  OSVM_CHECK(t->read_meta_index());
  OSVM_TRY(t->index_, t->read(t->index_handle_, nullptr));
  return std::shared_ptr<const table>(t);
}

result<> table::read_footer() {
  if (size_ < footer_size) return corrupt(name() + ": shorter than a table file's end");
  char footer[footer_size];
  const std::uint64_t at = size_ - footer_size;
  OSVM_CHECK(read_exactly(fd_.get(), footer, footer_size, at));
  const auto magic = load<std::uint64_t>(footer + 45);
  if (magic == legacy_magic) return error(errc::unsupported_format, name() + ": format_version 0");
  if (magic != block_based_magic) return corrupt(name() + ": not a block-based table file");
  version_ = load<std::uint32_t>(footer + 41);
  if (version_ < 2 || version_ > newest_version)
    return error(errc::unsupported_format, name() + ": format_version " + std::to_string(version_));
  if (static_cast<std::uint8_t>(footer[0]) > 4)
    return error(errc::unsupported_format,
                 name() + ": checksum type " + std::to_string(static_cast<std::uint8_t>(footer[0])));
  checksum_ = static_cast<checksum_type>(footer[0]);
  const std::string_view bytes(footer, footer_size);
  return version_ >= 6 ? read_context_footer(bytes, at) : read_classic_footer(bytes);
}

result<> table::read_classic_footer(std::string_view footer) {
  slice_reader in(footer.substr(1, 40));
  if (!read_handle(in, meta_index_) || !read_handle(in, index_handle_))
    return damaged("a malformed footer", size_ - footer_size);
  return {};
}

result<> table::read_context_footer(std::string_view footer, std::uint64_t at) {
  if (footer.substr(1, 4) != std::string_view("\x3e\x00\x7a\x00", 4))
    return damaged("a malformed footer", at);
  context_ = load<std::uint32_t>(footer.data() + 9);
  if (checksum_ != checksum_type::none) {
    std::string plain(footer);
    std::memset(plain.data() + 5, 0, 4);
    const auto sum =
        block_checksum(checksum_, std::string_view(plain).substr(0, footer_size - 1), plain.back()) +
        context_modifier(context_, at);
    if (sum != load<std::uint32_t>(footer.data() + 5))
      return damaged("a footer whose checksum does not match", at);
  }
  const std::uint64_t size = load<std::uint32_t>(footer.data() + 13);
  if (load<std::uint64_t>(footer.data() + 33) != 0)
    return error(errc::unsupported_format, name() + ": a feature of a later RocksDB");
  if (size + block_trailer > at) return damaged("a malformed footer", at);
  meta_index_ = {at - block_trailer - size, size};
  return {};
}

result<table::block> table::read(block_handle handle, block_cache* cache) const {
  if (cache) {
    if (auto found = cache->find(number_, handle.offset)) return block{std::move(found)};
  }
  std::uint64_t end;
  if (!checked_add(handle.offset, handle.size, end) || !checked_add(end, block_trailer, end) || end > size_)
    return damaged("a block past the end of the file", handle.offset);
  if (handle.size > max_block_)
    return error(osvm::errc::limit_exceeded, name() + ": a block past the size limit");
  std::string bytes(handle.size + block_trailer, '\0');
  OSVM_CHECK(read_exactly(fd_.get(), bytes.data(), bytes.size(), handle.offset));
  const char type = bytes[handle.size];
  const std::string_view plain(bytes.data(), handle.size);
  if (checksum_ != checksum_type::none) {
    const auto sum = block_checksum(checksum_, plain, type) + context_modifier(context_, handle.offset);
    if (sum != load<std::uint32_t>(bytes.data() + handle.size + 1))
      return damaged("a block whose checksum does not match", handle.offset);
  }
  if (type == 0) {
    bytes.resize(handle.size);
  } else {
    auto made = decompress(plain, static_cast<std::uint8_t>(type), dictionary_, max_block_);
    if (!made) return error(made.error().code, name() + ": " + made.error().context);
    bytes = std::move(*made);
  }
  block out{std::make_shared<const std::string>(std::move(bytes))};
  if (cache) cache->add(number_, handle.offset, out.bytes);
  return out;
}

result<> table::read_meta_index() {
  OSVM_TRY(const auto meta, read(meta_index_, nullptr));
  block_cursor c;
  if (!c.reset(meta, block_format::plain, false, false))
    return damaged("a malformed meta index", meta_index_.offset);
  std::optional<block_handle> properties, tombstones, dictionary, index;
  for (c.seek_first(); c.valid(); c.next()) {
    slice_reader in(c.value());
    block_handle h;
    if (!read_handle(in, h)) continue;  // not every entry is a handle in later versions
    if (c.key() == "rocksdb.properties" || c.key() == "rocksdb.stats") properties = h;
    if (c.key() == "rocksdb.range_del") tombstones = h;
    if (c.key() == "rocksdb.compression_dict") dictionary = h;
    if (c.key() == "rocksdb.index") index = h;
  }
  if (!c.ok()) return damaged("a malformed meta index", meta_index_.offset);
  if (version_ >= 6) {
    if (!index) return damaged("no index", meta_index_.offset);
    index_handle_ = *index;
  }
  if (properties) OSVM_CHECK(read_properties(*properties));
  if (dictionary) {
    OSVM_TRY(const auto b, read(*dictionary, nullptr));
    dictionary_ = *b.bytes;
  }
  if (tombstones) OSVM_CHECK(read_tombstones(*tombstones));
  return {};
}

result<> table::read_properties(block_handle handle) {
  OSVM_TRY(const auto b, read(handle, nullptr));
  block_cursor c;
  if (!c.reset(b, block_format::plain, false, false)) return damaged("malformed properties", handle.offset);
  std::uint64_t ingested = 0;
  for (c.seek_first(); c.valid(); c.next()) {
    slice_reader in(c.value());
    if (c.key() == "rocksdb.block.based.table.index.type") index_kind_ = in.fixed<std::uint32_t>();
    if (c.key() == "rocksdb.index.key.is.user.key") user_key_index_ = in.varint64() != 0;
    if (c.key() == "rocksdb.index.value.is.delta.encoded") delta_index_ = in.varint64() != 0;
    if (c.key() == "rocksdb.external_sst_file.global_seqno") ingested = in.fixed<std::uint64_t>();
    if (c.key() == "rocksdb.separate.key.value.in.data.block" && in.varint64() != 0)
      return error(errc::unsupported_format, name() + ": keys and values in separate parts of a block");
    if (c.key() == "rocksdb.comparator" && c.value() != "leveldb.BytewiseComparator")
      return error(errc::unsupported_format, name() + ": a comparator that is not bytewise");
  }
  if (!c.ok()) return damaged("malformed properties", handle.offset);
  if (ingested != 0)
    return error(errc::unsupported_format, name() + ": an ingested file with a sequence number of its own");
  if (index_kind_ > 3)
    return error(errc::unsupported_format, name() + ": index type " + std::to_string(index_kind_));
  return {};
}

result<> table::read_tombstones(block_handle handle) {
  OSVM_TRY(const auto b, read(handle, nullptr));
  block_cursor c;
  if (!c.reset(b, block_format::rows, true, false))
    return damaged("malformed range deletions", handle.offset);
  for (c.seek_first(); c.valid(); c.next()) {
    internal_key k;
    if (!split_internal_key(c.key(), k)) return damaged("malformed range deletions", handle.offset);
    tombstones_.push_back({std::string(k.user), std::string(c.value()), k.sequence});
  }
  if (!c.ok()) return damaged("malformed range deletions", handle.offset);
  tombstone_set_.add(tombstones_);
  return {};
}

// table_cursor

table_cursor::table_cursor(std::shared_ptr<const table> t, block_cache* cache)
    : table_(std::move(t)), cache_(cache), partitioned_(table_->index_is_partitioned()) {
  if (!table_->prepare_index(top_, table_->index())) fail(corrupt(table_->name() + ": a malformed index"));
}

bool table_cursor::load_part() {
  if (!partitioned_) return top_.valid();
  if (!top_.valid()) return false;
  auto b = table_->read(top_.handle(), cache_);
  if (!b) return fail(b.error()), false;
  part_block_ = std::move(b->bytes);
  if (!table_->prepare_index(part_, *part_block_))
    return fail(corrupt(table_->name() + ": a malformed index")), false;
  return true;
}

bool table_cursor::load_data() {
  data_.clear();
  if (!leaf().ok() || !top_.ok()) return fail(corrupt(table_->name() + ": a malformed index")), false;
  if (!leaf().valid()) return false;
  if (const auto where = leaf().handle(); !data_block_ || where.offset != data_offset_) {
    auto b = table_->read(where, cache_);
    if (!b) return fail(b.error()), false;
    data_block_ = std::move(b->bytes);
    data_offset_ = where.offset;
  }
  if (!data_.reset(*data_block_, block_format::rows, true, false))
    return fail(corrupt(table_->name() + ": a malformed block")), false;
  return true;
}

bool table_cursor::step_index(bool forward) {
  auto move = [&](block_cursor& c) { forward ? c.next() : c.prev(); };
  move(leaf());
  while (partitioned_ && !part_.valid()) {
    if (!part_.ok()) return false;
    move(top_);
    if (!load_part()) return false;
    forward ? part_.seek_first() : part_.seek_last();
  }
  return leaf().valid();
}

// Goes on to the next block with a row in it when the current one has none in this direction.
void table_cursor::skip_empty(bool forward) {
  while (status_ && !data_.valid()) {
    if (!data_.ok()) return fail(corrupt(table_->name() + ": a malformed block"));
    if (!leaf().valid() || !step_index(forward)) {
      if (!leaf().ok() || !top_.ok()) fail(corrupt(table_->name() + ": a malformed index"));
      data_.clear();
      return;
    }
    if (!load_data()) return;
    forward ? data_.seek_first() : data_.seek_last();
  }
}

void table_cursor::seek_first() {
  if (!status_) return;
  top_.seek_first();
  if (!load_part()) return void(data_.clear());
  if (partitioned_) part_.seek_first();
  if (!load_data()) return;
  data_.seek_first();
  skip_empty(true);
}

void table_cursor::seek_last() {
  if (!status_) return;
  top_.seek_last();
  if (!load_part()) return void(data_.clear());
  if (partitioned_) part_.seek_last();
  if (!load_data()) return;
  data_.seek_last();
  skip_empty(false);
}

void table_cursor::seek(std::string_view user_key) {
  if (!status_) return;
  top_.seek(user_key);
  if (!load_part()) return void(data_.clear());
  if (partitioned_) part_.seek(user_key);
  if (!load_data()) return;
  data_.seek(user_key);
  skip_empty(true);
}

void table_cursor::seek_before(std::string_view user_key) {
  seek(user_key);
  if (!status_) return;
  if (!data_.valid()) return seek_last();
  prev();
}

void table_cursor::next() {
  data_.next();
  skip_empty(true);
}

void table_cursor::prev() {
  data_.prev();
  skip_empty(false);
}

}  // namespace osvm::ledger::rocksdb
