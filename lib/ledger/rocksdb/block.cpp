#include "block.hpp"

namespace osvm::ledger::rocksdb {
namespace {

constexpr std::uint32_t hash_index_bit = 1U << 31;

bool read_varint32(const char*& p, const char* end, std::uint32_t& out) noexcept {
  out = 0;
  for (unsigned shift = 0; shift <= 28; shift += 7) {
    if (p == end) return false;
    const auto b = static_cast<std::uint8_t>(*p++);
    out |= (b & 0x7fU) << shift;
    if (b < 0x80) return true;
  }
  return false;
}

bool read_varint64(const char*& p, const char* end, std::uint64_t& out) noexcept {
  out = 0;
  for (unsigned shift = 0; shift <= 63; shift += 7) {
    if (p == end) return false;
    const auto b = static_cast<std::uint8_t>(*p++);
    out |= std::uint64_t{b & 0x7fU} << shift;
    if (b < 0x80) return true;
  }
  return false;
}

}  // namespace

bool block_cursor::reset(std::string_view block, block_format format, bool keys_have_sequence,
                         bool has_first_key) {
  block_ = block;
  format_ = format;
  keys_have_sequence_ = keys_have_sequence;
  has_first_key_ = has_first_key;
  clear();
  key_.clear();
  const auto size = block.size();
  if (size < 4) return ok_ = false;
  const auto packed = load<std::uint32_t>(block.data() + size - 4);
  restarts_ = packed & ~hash_index_bit;
  std::size_t end = size - 4;
  if (packed & hash_index_bit) {  // a hash table of the rows lies between restart points and their number
    if (end < 2) return ok_ = false;
    const std::size_t buckets = load<std::uint16_t>(block.data() + end - 2);
    if (end < 2 + buckets) return ok_ = false;
    end -= 2 + buckets;
  }
  if (restarts_ > end / 4) return ok_ = false;
  data_end_ = end - restarts_ * 4;
  if (restarts_ == 0 && data_end_ != 0) return ok_ = false;
  return true;
}

std::size_t block_cursor::restart(std::size_t i) const noexcept {
  return load<std::uint32_t>(block_.data() + data_end_ + 4 * i);
}

bool block_cursor::parse_index_value(const char*& p, const char* end, bool shared) {
  if (format_ == block_format::index_delta && shared) {
    std::uint64_t zigzag;
    if (!read_varint64(p, end, zigzag)) return false;
    const auto delta = static_cast<std::int64_t>(zigzag >> 1) ^ -static_cast<std::int64_t>(zigzag & 1);
    handle_ = {handle_.offset + handle_.size + block_trailer,
               handle_.size + static_cast<std::uint64_t>(delta)};
  } else if (!read_varint64(p, end, handle_.offset) || !read_varint64(p, end, handle_.size)) {
    return false;
  }
  if (!has_first_key_) return true;
  std::uint32_t length;
  if (!read_varint32(p, end, length) || length > static_cast<std::size_t>(end - p)) return false;
  p += length;
  return true;
}

bool block_cursor::parse(std::size_t at) {
  valid_ = false;
  at_ = at;
  if (at >= data_end_) return false;  // the ordinary end
  const char* p = block_.data() + at;
  const char* const end = block_.data() + data_end_;
  std::uint32_t shared, own, value_size = 0;
  const bool delta = format_ == block_format::index_delta;
  if (!delta && end - p >= 3 && ((p[0] | p[1] | p[2]) & 0x80) == 0) {  // short keys and values: nearly all
    shared = static_cast<std::uint8_t>(p[0]);
    own = static_cast<std::uint8_t>(p[1]);
    value_size = static_cast<std::uint8_t>(p[2]);
    p += 3;
  } else if (!read_varint32(p, end, shared) || !read_varint32(p, end, own) ||
             (!delta && !read_varint32(p, end, value_size))) {
    return fail(), false;
  }
  if (shared > key_.size() || own > static_cast<std::size_t>(end - p)) return fail(), false;
  key_.resize(shared);
  key_.append(p, own);
  p += own;
  if (keys_have_sequence_ && key_.size() < 8) return fail(), false;
  if (delta) {
    if (!parse_index_value(p, end, shared != 0)) return fail(), false;
    next_ = static_cast<std::size_t>(p - block_.data());
  } else {
    if (value_size > static_cast<std::size_t>(end - p)) return fail(), false;
    value_ = {p, value_size};
    next_ = static_cast<std::size_t>(p - block_.data()) + value_size;
    if (format_ == block_format::index && !parse_index_value(p, p + value_size, false)) return fail(), false;
  }
  return valid_ = true;
}

void block_cursor::seek_first() noexcept {
  region_.clear();
  key_.clear();
  if (ok_) parse(0);
}

void block_cursor::next() {
  region_.clear();
  if (valid_) parse(next_);
}

void block_cursor::seek_last() {
  clear();
  if (!ok_ || restarts_ == 0) return;
  key_.clear();
  if (!parse(restart(restarts_ - 1))) return;
  while (next_ < data_end_ && parse(next_)) {
  }
}

// To the row before, where it is known: the last one of the region, which ends before the current row.
bool block_cursor::step_back() noexcept {
  if (region_.empty()) return false;
  const auto& r = region_.back();
  next_ = at_;
  at_ = r.at;
  key_.assign(region_keys_, r.key_begin);
  value_ = r.value;
  region_keys_.resize(r.key_begin);
  region_.pop_back();
  return valid_ = true;
}

void block_cursor::prev() {
  if (!valid_ || step_back()) return;
  const std::size_t target = at_;
  valid_ = false;
  std::size_t i = restarts_;
  while (i > 0 && restart(i - 1) >= target) --i;
  if (i == 0) return;  // before the first row
  key_.clear();
  region_keys_.clear();
  if (!parse(restart(i - 1))) return;
  while (next_ < target) {
    if (format_ == block_format::rows) {
      region_.push_back({at_, region_keys_.size(), value_});
      region_keys_ += key_;
    }
    if (!parse(next_)) break;
  }
  if (valid_ && next_ == target) return;
  region_.clear();
  if (valid_) fail();
}

// The user key at a restart point, where keys stand in full: nothing is copied.
bool block_cursor::restart_key(std::size_t i, std::string_view& out) const noexcept {
  const std::size_t at = restart(i);
  if (at >= data_end_) return false;
  const char* p = block_.data() + at;
  const char* const end = block_.data() + data_end_;
  std::uint32_t shared, own, value_size;
  if (!read_varint32(p, end, shared) || !read_varint32(p, end, own) ||
      (format_ != block_format::index_delta && !read_varint32(p, end, value_size)) || shared != 0 ||
      own > static_cast<std::size_t>(end - p) || (keys_have_sequence_ && own < 8))
    return false;
  out = {p, keys_have_sequence_ ? own - 8 : own};
  return true;
}

void block_cursor::seek(std::string_view user_key) {
  valid_ = false;
  region_.clear();
  if (!ok_ || restarts_ == 0) return;
  std::size_t low = 0, high = restarts_ - 1;  // the last restart point whose key is before user_key
  while (low < high) {
    const std::size_t middle = low + (high - low + 1) / 2;
    std::string_view key;
    if (!restart_key(middle, key)) return fail();
    if (key < user_key)
      low = middle;
    else
      high = middle - 1;
  }
  key_.clear();
  if (!parse(restart(low))) return;
  while (valid_ && this->user_key() < user_key) parse(next_);
}

}  // namespace osvm::ledger::rocksdb
