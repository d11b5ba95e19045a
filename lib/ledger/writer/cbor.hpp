// The part of DAG-CBOR that archives of blocks are made of: numbers, bytes, texts, lists, links, null.
#pragma once

#include <osvm/core/bytes.hpp>

#include <optional>
#include <string_view>

namespace osvm::ledger {

// Reads items from the front. After the first wrong one everything reads as nothing and ok() is false.
class cbor_reader {
 public:
  explicit cbor_reader(bytes_view bytes) noexcept
      : text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {}
  explicit cbor_reader(std::string_view text) noexcept : text_(text) {}

  bool ok() const noexcept { return ok_; }
  bool empty() const noexcept { return text_.empty(); }
  std::uint64_t list() noexcept { return expect(4); }
  std::uint64_t number() noexcept { return expect(0); }
  // Also negative ones.
  std::int64_t integer() noexcept;
  std::string_view bytes() noexcept { return take(expect(2)); }
  std::string_view text() noexcept { return take(expect(3)); }
  // A CID without its leading zero; empty for null.
  std::string_view link() noexcept;
  // True and consumed when the next item is null.
  bool null() noexcept;
  // Passes over one item of any kind, at most `depth` deep.
  void skip(int depth = 16) noexcept;
  void fail() noexcept { ok_ = false, text_ = {}; }

 private:
  struct head {
    std::uint8_t major = 0;
    std::uint64_t value = 0;
  };
  head next() noexcept;
  std::uint64_t expect(std::uint8_t major) noexcept;
  std::string_view take(std::uint64_t n) noexcept;
  std::string_view text_;
  bool ok_ = true;
};

}  // namespace osvm::ledger
