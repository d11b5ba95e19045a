#include "log_reader.hpp"

namespace osvm::ledger::rocksdb {
namespace {

enum record_type : std::uint8_t {
  zero = 0,
  full = 1,
  first = 2,
  middle = 3,
  last = 4,
  recyclable = 4,  // added to the four above
  set_compression = 9,
  timestamp_size = 10,
  recyclable_timestamp_size = 11,
  safe_to_ignore = 128,
};

}  // namespace

std::uint64_t record_place::file_offset(std::uint64_t logical) const noexcept {
  const std::uint64_t in_first = log_reader::block_size - start % log_reader::block_size;
  if (logical < in_first) return start + logical;
  logical -= in_first;
  const std::uint64_t payload = log_reader::block_size - header_size;
  return (start / log_reader::block_size + 1 + logical / payload) * log_reader::block_size + header_size +
         logical % payload;
}

result<log_reader::step_kind> log_reader::next_fragment(std::string_view block, std::uint64_t offset,
                                                        std::size_t& at, std::string_view& fragment) {
  const bool whole_block = block.size() == block_size;
  if (block.size() - at < 7) return whole_block ? step_kind::end_of_block : step_kind::stop;
  const char* header = block.data() + at;
  const std::size_t length = load<std::uint16_t>(header + 4);
  const auto type = static_cast<std::uint8_t>(header[6]);
  if (type == zero && length == 0) return stop({});  // preallocated
  const bool recycled = (type > last && type <= last + recyclable) || type == recyclable_timestamp_size ||
                        (type > safe_to_ignore && type % 2 == 1);
  const std::size_t header_size = recycled ? 11 : 7;
  const std::string where = " at " + std::to_string(offset + at);
  if (block.size() - at < header_size + length)
    return stop(whole_block ? "a fragment longer than its block" + where : std::string{});
  if (recycled && load<std::uint32_t>(header + 7) != static_cast<std::uint32_t>(number_))
    return stop({});  // what the file held before it was used again
  const std::uint32_t crc = mask_crc(crc32c(0, header + 6, header_size - 6 + length));
  if (crc != load<std::uint32_t>(header)) return stop("a checksum that does not match" + where);
  const std::string_view payload(header + header_size, length);
  const std::uint64_t payload_at = offset + at + header_size;
  at += header_size + length;

  if (type == set_compression) return error(errc::unsupported_format, "a compressed write-ahead log");
  if (type == timestamp_size || type == recyclable_timestamp_size || type >= safe_to_ignore)
    return step_kind::part;
  const int part = type > last ? type - recyclable : type;
  if (part < full || part > last) return stop("an unknown record type" + where);
  const bool starts = part == full || part == first;
  if (starts) {
    place_ = {payload_at, static_cast<std::uint32_t>(header_size)};
    partial_.clear();
  } else if (!in_record_) {
    return stop("a record without its beginning" + where);
  }
  in_record_ = part == first || part == middle;
  if (part == full) {
    fragment = payload;
    return step_kind::whole;
  }
  if (partial_.size() + payload.size() > max_record_) return stop("a record past the size limit" + where);
  partial_.append(payload);
  return part == last ? step_kind::last : step_kind::part;
}

}  // namespace osvm::ledger::rocksdb
