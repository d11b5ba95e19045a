// The number encodings and checksums of RocksDB's files.
#pragma once

#include <osvm/core/bytes.hpp>
#include <osvm/ledger/error.hpp>

#include <string>
#include <string_view>

namespace osvm::ledger::rocksdb {

inline std::string_view as_text(bytes_view b) noexcept {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

template <class T>
T load(const char* p) noexcept {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// Reads varints and strings from the front of a view. After a failure everything reads as zero and ok() is
// false.
class slice_reader {
 public:
  explicit slice_reader(std::string_view text) noexcept : text_(text) {}

  std::uint64_t varint64() noexcept { return varint(63); }
  std::uint32_t varint32() noexcept { return static_cast<std::uint32_t>(varint(28)); }
  template <class T>
  T fixed() noexcept {
    const auto b = take(sizeof(T));
    return b.size() == sizeof(T) ? load<T>(b.data()) : T{};
  }
  std::uint8_t byte() noexcept { return fixed<std::uint8_t>(); }
  std::string_view take(std::uint64_t n) noexcept {
    if (n > text_.size()) return ok_ = false, text_ = {}, std::string_view{};
    const auto out = text_.substr(0, n);
    text_.remove_prefix(n);
    return out;
  }
  std::string_view string() noexcept { return take(varint32()); }

  bool ok() const noexcept { return ok_; }
  bool empty() const noexcept { return text_.empty(); }
  std::string_view rest() const noexcept { return text_; }

 private:
  std::uint64_t varint(unsigned last_shift) noexcept {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift <= last_shift; shift += 7) {
      if (text_.empty()) break;
      const auto b = static_cast<std::uint8_t>(text_.front());
      text_.remove_prefix(1);
      v |= std::uint64_t{b & 0x7fU} << shift;
      if (b < 0x80) return v;
    }
    ok_ = false;
    text_ = {};
    return 0;
  }
  std::string_view text_;
  bool ok_ = true;
};

enum class checksum_type : std::uint8_t { none = 0, crc32c = 1, xxhash = 2, xxhash64 = 3, xxh3 = 4 };

std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept;
// A stored CRC is rotated and offset, so that a CRC of bytes that hold CRCs stays meaningful.
inline std::uint32_t mask_crc(std::uint32_t crc) noexcept {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}
// Of a block and the byte behind it, as a block's trailer stores it.
std::uint32_t block_checksum(checksum_type type, std::string_view block, char last) noexcept;

// Where a block lies in a table file; five bytes of trailer follow it.
struct block_handle {
  std::uint64_t offset = 0, size = 0;
};
inline constexpr std::uint64_t block_trailer = 5;

// An internal key is the user's key and eight bytes: sequence number and kind of entry.
enum class entry_kind : std::uint8_t {
  deletion = 0,
  value = 1,
  merge = 2,
  single_deletion = 7,
  range_deletion = 15,
  blob_index = 17,
  deletion_with_timestamp = 20,
  wide_column = 22,
  value_preferred = 24,
};

struct internal_key {
  std::string_view user;
  std::uint64_t sequence = 0;
  entry_kind kind = entry_kind::value;
};
// False when it is shorter than its eight bytes.
inline bool split_internal_key(std::string_view key, internal_key& out) noexcept {
  if (key.size() < 8) return false;
  const auto tail = load<std::uint64_t>(key.data() + key.size() - 8);
  out = {key.substr(0, key.size() - 8), tail >> 8, static_cast<entry_kind>(tail & 0xff)};
  return true;
}

inline error corrupt(std::string what) {
  return {errc::corrupt, std::move(what)};
}

}  // namespace osvm::ledger::rocksdb
