// One block-based table file (SST), format_version 2 to 7.
#pragma once

#include <osvm/core/unique_fd.hpp>
#include <osvm/ledger/rocksdb.hpp>

#include "block.hpp"
#include "block_cache.hpp"
#include "tombstones.hpp"

namespace osvm::ledger::rocksdb {

// Immutable once open; thread-safe.
class table {
 public:
  // `folder` is the database's. The system's error when the file is not there.
  static result<std::shared_ptr<const table>> open(int folder, std::uint64_t number, std::size_t max_block);

  struct block {
    std::shared_ptr<const std::string> bytes;
    operator std::string_view() const noexcept { return *bytes; }
  };
  // Reads, checks and decompresses one block; `cache` may be null.
  result<block> read(block_handle handle, block_cache* cache) const;

  const std::vector<range_tombstone>& tombstones() const noexcept { return tombstones_; }
  std::uint64_t covering(std::string_view key) const { return tombstone_set_.covering(key); }
  std::uint64_t number() const noexcept { return number_; }
  const block& index() const noexcept { return index_; }
  bool index_is_partitioned() const noexcept { return index_kind_ == 2; }
  bool prepare_index(block_cursor& cursor, std::string_view bytes) const {
    return cursor.reset(bytes, delta_index_ ? block_format::index_delta : block_format::index,
                        !user_key_index_, index_kind_ == 3);
  }
  std::string name() const { return file_name(number_, ".sst"); }
  static std::string file_name(std::uint64_t number, const char* suffix);

 private:
  table() = default;
  result<> read_footer();
  result<> read_classic_footer(std::string_view footer);
  result<> read_context_footer(std::string_view footer, std::uint64_t at);
  result<> read_meta_index();
  result<> read_properties(block_handle handle);
  result<> read_tombstones(block_handle handle);
  error damaged(const std::string& what, std::uint64_t offset) const;

  unique_fd fd_;
  std::uint64_t number_ = 0, size_ = 0;
  std::size_t max_block_ = 0;
  checksum_type checksum_ = checksum_type::crc32c;
  std::uint32_t version_ = 0, context_ = 0;
  block_handle meta_index_, index_handle_;
  std::uint32_t index_kind_ = 0;
  bool user_key_index_ = false, delta_index_ = false;
  block index_;
  std::string dictionary_;
  std::vector<range_tombstone> tombstones_;
  tombstone_set tombstone_set_;
};

// Walks the rows of one table. Keeps the table and the current block alive. Not thread-safe.
class table_cursor {
 public:
  table_cursor(std::shared_ptr<const table> t, block_cache* cache);

  void seek_first();
  void seek_last();
  void seek(std::string_view user_key);
  // The last row whose user key is before `user_key`.
  void seek_before(std::string_view user_key);
  void next();
  void prev();
  bool valid() const noexcept { return data_.valid(); }
  const table& of() const noexcept { return *table_; }
  const result<>& status() const noexcept { return status_; }
  std::string_view key() const noexcept { return data_.key(); }  // internal
  rocksdb::value value() const { return {data_block_, as_bytes(data_.value())}; }

 private:
  // Two levels of index at most: `top_` is the only one unless the index is partitioned.
  bool load_part();
  bool load_data();
  bool step_index(bool forward);
  void skip_empty(bool forward);
  void fail(error e) { status_ = std::move(e), data_.clear(); }
  block_cursor& leaf() noexcept { return partitioned_ ? part_ : top_; }

  std::shared_ptr<const table> table_;
  block_cache* cache_;
  bool partitioned_;
  block_cursor top_, part_, data_;
  std::shared_ptr<const std::string> part_block_, data_block_;
  std::uint64_t data_offset_ = 0;  // of data_block_
  result<> status_;
};

}  // namespace osvm::ledger::rocksdb
