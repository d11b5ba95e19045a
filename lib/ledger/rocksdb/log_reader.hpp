// Write-ahead logs and MANIFESTs: records in fragments inside blocks of 32 KiB.
#pragma once

#include "coding.hpp"

namespace osvm::ledger::rocksdb {

// Where a record's bytes lie in its file: it continues in each next block behind that block's fragment
// header.
struct record_place {
  std::uint64_t start = 0;        // file offset of its first byte
  std::uint32_t header_size = 7;  // 11 in recycled logs
  std::uint64_t file_offset(std::uint64_t logical) const noexcept;
};

// Reads records out of blocks that the caller brings. A torn or damaged end stops it for good; damage() tells
// why. Sans I/O, not thread-safe.
class log_reader {
 public:
  static constexpr std::size_t block_size = 32768;
  // `number` is the log's own, which recycled logs repeat in each fragment.
  explicit log_reader(std::uint64_t number, std::uint64_t max_record = 1ULL << 30)
      : number_(number), max_record_(max_record) {}

  // `block` is one block (or the file's last part of one) and begins at file offset `offset`, a multiple of
  // block_size. Gives false once stopped. Calls found(record, place) for each record that ends in this block.
  template <class F>
  result<bool> read_block(std::string_view block, std::uint64_t offset, std::size_t from, F&& found) {
    std::size_t at = from;
    while (true) {
      std::string_view fragment;
      OSVM_TRY(const auto step, next_fragment(block, offset, at, fragment));
      if (step == step_kind::end_of_block) return true;
      if (step == step_kind::stop) return false;
      if (step == step_kind::whole) OSVM_CHECK(found(fragment, place_));
      if (step == step_kind::last) {
        OSVM_CHECK(found(std::string_view(partial_), place_));
        partial_.clear();
      }
      if (!in_record_) consumed_ = offset + at;
    }
  }
  // Where reading continues once the file has grown: behind the last whole record.
  std::uint64_t consumed() const noexcept { return consumed_; }
  // Why it stopped; empty for an ordinary end.
  const std::string& damage() const noexcept { return damage_; }

 private:
  enum class step_kind { whole, part, last, end_of_block, stop };
  result<step_kind> next_fragment(std::string_view block, std::uint64_t offset, std::size_t& at,
                                  std::string_view& fragment);
  step_kind stop(std::string why) {
    damage_ = std::move(why);
    return step_kind::stop;
  }

  std::uint64_t number_, max_record_;
  std::string partial_;
  bool in_record_ = false;
  record_place place_;
  std::uint64_t consumed_ = 0;
  std::string damage_;
};

}  // namespace osvm::ledger::rocksdb
