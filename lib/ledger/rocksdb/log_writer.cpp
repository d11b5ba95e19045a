#include "log_writer.hpp"

#include <algorithm>

namespace osvm::ledger::rocksdb {
namespace {

constexpr std::size_t header_size = 7;
constexpr std::uint8_t full_record = 1, first_part = 2, middle_part = 3, last_part = 4;

}  // namespace

void log_writer::fragment(std::uint8_t type, std::string_view bytes) {
  std::string body(1, static_cast<char>(type));
  body += bytes;
  const auto crc = mask_crc(crc32c(0, body.data(), body.size()));
  const auto length = static_cast<std::uint16_t>(bytes.size());
  out_.append(reinterpret_cast<const char*>(&crc), 4);
  out_.append(reinterpret_cast<const char*>(&length), 2);
  out_ += body;
}

void log_writer::add(std::string_view record) {
  bool begun = false;
  while (true) {
    std::size_t left = log_reader::block_size - out_.size() % log_reader::block_size;
    if (left < header_size) {  // no header fits: the rest of the block is padding
      out_.append(left, '\0');
      left = log_reader::block_size;
    }
    const auto part = record.substr(0, std::min(record.size(), left - header_size));
    record.remove_prefix(part.size());
    fragment(record.empty() ? begun ? last_part : full_record : begun ? middle_part : first_part, part);
    if (record.empty()) return;
    begun = true;
  }
}

}  // namespace osvm::ledger::rocksdb
