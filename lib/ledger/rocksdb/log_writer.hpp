// Writes a MANIFEST: records in fragments inside blocks of 32 KiB, as log_reader reads them.
#pragma once

#include "log_reader.hpp"

namespace osvm::ledger::rocksdb {

// Appends records to a string. Not thread-safe.
class log_writer {
 public:
  explicit log_writer(std::string& out) noexcept : out_(out) {}
  void add(std::string_view record);

 private:
  void fragment(std::uint8_t type, std::string_view bytes);
  std::string& out_;
};

}  // namespace osvm::ledger::rocksdb
