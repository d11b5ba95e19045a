// The formats' readers, over a file that is already open.
#pragma once

#include <osvm/ledger/recorded_block.hpp>

#include "ledger/snapshot/byte_source.hpp"

namespace osvm::ledger {

struct opened_file {
  std::unique_ptr<byte_source> bytes;
  std::string name;  // for messages
  std::optional<slot_t> slot{};
  std::uint64_t size = 0;  // 0 where it is not known: compressed files
};

// Counts what is read, for progress.
class counting_reader {
 public:
  explicit counting_reader(std::unique_ptr<byte_source> from) : from_(std::move(from)) {}
  // False at the end, before the first byte; osvm::errc::truncated within.
  result<bool> read_or_end(char* to, std::size_t size);
  result<> read(char* to, std::size_t size);
  // What is left, at most `limit` bytes.
  result<std::string> read_rest(std::size_t limit);
  // Without its end; nothing behind the last one.
  result<std::optional<std::string>> read_line(std::size_t limit);
  std::uint64_t position() const noexcept { return position_; }

 private:
  result<bool> fill();
  std::unique_ptr<byte_source> from_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t position_ = 0;
};

std::unique_ptr<block_source> make_json_source(opened_file file, block_format_limits limits);
std::unique_ptr<block_source> make_protobuf_source(opened_file file, block_format_limits limits);
std::unique_ptr<block_source> make_car_source(opened_file file, block_format_limits limits);
std::unique_ptr<block_source> make_geyser_source(opened_file file, block_format_limits limits);

}  // namespace osvm::ledger
