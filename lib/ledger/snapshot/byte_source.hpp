// A file's bytes, decompressed on the way.
#pragma once

#include <osvm/core/error.hpp>

#include <memory>
#include <string>

namespace osvm::ledger {

class byte_source {
 public:
  virtual ~byte_source() = default;
  // Up to `size` bytes; 0 at the end.
  virtual result<std::size_t> read(char* to, std::size_t size) = 0;

  // Exactly `size` bytes; osvm::errc::truncated when there are fewer.
  result<> read_all(char* to, std::size_t size);
  result<> skip(std::uint64_t size);
};

// Chosen by the first bytes: zstd, lz4 or neither.
result<std::unique_ptr<byte_source>> open_byte_source(const std::string& path);
// Of bytes in memory, which must outlive it.
std::unique_ptr<byte_source> byte_source_of(std::string_view bytes);

}  // namespace osvm::ledger
