// Writes one block-based table file (SST): format_version 5, no compression, CRC-32C. Every RocksDB since 6.6
// reads it, and so does ours. docs/formats/rocksdb.md.
#pragma once

#include <osvm/core/unique_fd.hpp>

#include "manifest.hpp"

namespace osvm::ledger::rocksdb {

inline void append_varint(std::string& out, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) out.push_back(static_cast<char>(v | 0x80));
  out.push_back(static_cast<char>(v));
}
inline void append_string(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out += text;
}
inline void append_internal_key(std::string& out, std::string_view user, std::uint64_t sequence) {
  const std::uint64_t tail = sequence << 8 | static_cast<std::uint8_t>(entry_kind::value);
  out += user;
  out.append(reinterpret_cast<const char*>(&tail), 8);
}

// Rows of one block with shared prefixes and restart points.
class block_builder {
 public:
  // `with_length` is false in index blocks: a handle knows where it ends.
  explicit block_builder(unsigned restart_interval, bool with_length = true)
      : interval_(restart_interval), with_length_(with_length) {}
  void add(std::string_view key, std::string_view value);
  std::string finish();  // and begins a new block
  std::size_t size() const noexcept { return bytes_.size() + 4 * restarts_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }

 private:
  unsigned interval_, since_restart_ = 0;
  bool with_length_;
  std::string bytes_, last_key_;
  std::vector<std::uint32_t> restarts_;
};

struct table_identity {
  std::uint64_t number = 0;
  std::uint32_t family = 0;
  std::string family_name{};
  std::uint64_t sequence = 1;  // of every row
  std::size_t block_size = 4096;
  bool durable = true;
};

// Rows come in ascending order of their keys, each key once. Not thread-safe. A file that was not finished is
// the caller's to remove.
class table_writer final {
 public:
  // `folder` is the database's, borrowed. Fails when the file is there already.
  static result<table_writer> create(int folder, table_identity identity);
  result<> add(std::string_view key, std::string_view value);
  // Writes what follows the rows and syncs; gives the MANIFEST's entry.
  result<table_file> finish();
  std::uint64_t size() const noexcept { return offset_; }
  std::uint64_t rows() const noexcept { return rows_; }

 private:
  table_writer(unique_fd fd, table_identity identity);
  result<block_handle> write_block(std::string_view block);
  result<> flush_block();
  result<> write(std::string_view bytes);
  result<> drain();
  std::string properties(const block_handle& index, std::uint64_t index_size) const;

  unique_fd fd_;
  table_identity identity_;
  std::string name_, buffer_;
  block_builder data_, index_;
  std::string first_, last_, internal_;
  std::uint64_t offset_ = 0, rows_ = 0, blocks_ = 0, key_bytes_ = 0, value_bytes_ = 0;
};

}  // namespace osvm::ledger::rocksdb
