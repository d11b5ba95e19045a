// One decoded block of a table file: prefix-compressed rows and restart points. Data, index and meta blocks.
#pragma once

#include <memory>
#include <vector>

#include "coding.hpp"

namespace osvm::ledger::rocksdb {

// How a block's rows are read.
enum class block_format {
  rows,         // internal keys with values
  plain,        // keys as they are: meta blocks
  index,        // keys are separators, values are handles with lengths in front
  index_delta,  // values without lengths; a handle may be told as the size's difference (format_version 4 on)
};

// A cursor over one block. Borrows the block's bytes. All bytes are checked on the way; a broken block ends
// the walk with ok() false. Not thread-safe.
class block_cursor {
 public:
  block_cursor() = default;
  // False when the trailer of restart points is impossible.
  bool reset(std::string_view block, block_format format, bool keys_have_sequence, bool has_first_key);

  void seek_first() noexcept;
  void seek_last();
  // The first row whose user key is not before `user_key`.
  void seek(std::string_view user_key);
  void next();
  void prev();
  // No row any more; memory is kept.
  void clear() noexcept {
    valid_ = false;
    ok_ = true;
    region_.clear();
  }
  bool valid() const noexcept { return valid_; }
  bool ok() const noexcept { return ok_; }

  std::string_view key() const noexcept { return key_; }
  std::string_view user_key() const noexcept {
    return keys_have_sequence_ ? std::string_view(key_).substr(0, key_.size() - 8) : std::string_view(key_);
  }
  std::string_view value() const noexcept { return value_; }
  block_handle handle() const noexcept { return handle_; }  // index formats

 private:
  bool parse(std::size_t at);
  bool parse_index_value(const char*& p, const char* end, bool shared);
  std::size_t restart(std::size_t i) const noexcept;
  bool restart_key(std::size_t i, std::string_view& out) const noexcept;
  void fail() noexcept { ok_ = valid_ = false; }
  bool step_back() noexcept;

  std::string_view block_;
  std::size_t data_end_ = 0, restarts_ = 0;
  block_format format_ = block_format::rows;
  bool keys_have_sequence_ = true, has_first_key_ = false;
  std::size_t at_ = 0, next_ = 0;
  std::string key_;
  std::string_view value_;
  block_handle handle_;
  bool valid_ = false, ok_ = true;

  // Rows from a restart point up to the current one, decoded at once: a walk backwards would else decode them
  // again for each step.
  struct earlier_row {
    std::size_t at, key_begin;
    std::string_view value;
  };
  std::vector<earlier_row> region_;
  std::string region_keys_;
};

}  // namespace osvm::ledger::rocksdb
