#include "wal.hpp"

#include <unistd.h>

#include <algorithm>

namespace osvm::ledger::rocksdb {
namespace {

constexpr std::size_t inline_value = 128;  // longer values are read from the log when asked for
constexpr std::size_t arena_chunk = 256 << 10;

// What a record of a write batch carries behind its type byte.
struct record_shape {
  bool known, family, key, value;
  entry_kind kind;
};

record_shape shape_of(std::uint8_t type) {
  using k = entry_kind;
  switch (type) {
    case 0x0: return {true, false, true, false, k::deletion};
    case 0x1: return {true, false, true, true, k::value};
    case 0x2: return {true, false, true, true, k::merge};
    case 0x4: return {true, true, true, false, k::deletion};
    case 0x5: return {true, true, true, true, k::value};
    case 0x6: return {true, true, true, true, k::merge};
    case 0x7: return {true, false, true, false, k::single_deletion};
    case 0x8: return {true, true, true, false, k::single_deletion};
    case 0xe: return {true, true, true, true, k::range_deletion};
    case 0xf: return {true, false, true, true, k::range_deletion};
    case 0x16: return {true, false, true, true, k::wide_column};
    case 0x17: return {true, true, true, true, k::wide_column};
    default: return {};
  }
}

}  // namespace

std::string_view wal_run::keep(std::string_view text) {
  if (text.empty()) return {};
  if (text.size() > arena_left_) {
    arena_left_ = std::max(arena_chunk, text.size());
    arena_.push_back(std::make_unique<char[]>(arena_left_));
    arena_size_ = arena_left_;
  }
  char* to = arena_.back().get() + (arena_size_ - arena_left_);
  std::memcpy(to, text.data(), text.size());
  arena_left_ -= text.size();
  return {to, text.size()};
}

result<> wal_run::add_batch(std::string_view batch, const record_place& place) {
  if (batch.size() < 12) return corrupt(log_->name + ": a write batch without its head");
  std::uint64_t sequence = load<std::uint64_t>(batch.data());
  slice_reader in(batch.substr(12));
  while (in.ok() && !in.empty()) {
    const auto type = in.byte();
    if (type == 0x3) {  // a note for other readers
      in.string();
      continue;
    }
    if (type == 0xd) continue;  // no operation
    const auto shape = shape_of(type);
    if (!shape.known)
      return error(errc::unsupported_format, log_->name + ": write batch record " + std::to_string(type));
    const std::uint32_t family = shape.family ? in.varint32() : 0;
    const auto key = in.string();
    const auto value = shape.value ? in.string() : std::string_view{};
    if (!in.ok()) break;
    auto& column = columns_[family];
    if (shape.kind == entry_kind::range_deletion) {
      column.tombstones.push_back({std::string(key), std::string(value), sequence});
    } else {
      wal_row row{.key = keep(key),
                  .sequence = sequence,
                  .kind = shape.kind,
                  .value_size = static_cast<std::uint32_t>(value.size())};
      if (value.size() <= inline_value) {
        row.value = value.empty() ? "" : keep(value).data();
      } else {
        row.place = place.file_offset(static_cast<std::uint64_t>(value.data() - batch.data()));
        row.header_size = place.header_size;
      }
      column.rows.push_back(row);
    }
    ++rows_;
    last_sequence_ = std::max(last_sequence_, sequence);
    ++sequence;
  }
  if (!in.ok()) return corrupt(log_->name + ": a write batch that ends too early");
  return {};
}

void wal_run::finish() {
  for (auto& [id, column] : columns_) {
    std::ranges::sort(column.rows, [](const wal_row& a, const wal_row& b) {
      const int c = a.key.compare(b.key);
      return c != 0 ? c < 0 : a.sequence > b.sequence;
    });
  }
}

result<value> wal_run::value_of(const wal_row& row, const std::shared_ptr<const wal_run>& self) const {
  if (row.value) return value(self, as_bytes(std::string_view(row.value, row.value_size)));
  auto out = std::make_shared<std::string>(row.value_size, '\0');
  const record_place place{row.place, row.header_size};
  for (std::size_t done = 0; done < out->size();) {
    const std::uint64_t at = place.file_offset(done);
    const std::size_t in_block = log_reader::block_size - at % log_reader::block_size;
    const auto n = ::pread(log_->fd.get(), out->data() + done, std::min(in_block, out->size() - done),
                           static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(log_->name);
    if (n == 0) return error(errc::lost, log_->name + " is shorter than it was");
    done += static_cast<std::size_t>(n);
  }
  const auto text = std::string_view(*out);
  return value(std::move(out), as_bytes(text));
}

result<wal_tail> read_records(const log_file& log, std::uint64_t from, const record_handler& found) {
  log_reader reader(log.number);
  std::string buffer(log_reader::block_size, '\0');
  std::uint64_t block = from / log_reader::block_size * log_reader::block_size;
  std::size_t skip = from % log_reader::block_size;
  wal_tail tail{.consumed = from};
  while (true) {
    std::size_t have = 0;
    while (have < buffer.size()) {
      const auto n =
          ::pread(log.fd.get(), buffer.data() + have, buffer.size() - have, static_cast<off_t>(block + have));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error(log.name);
      if (n == 0) break;
      have += static_cast<std::size_t>(n);
    }
    if (have <= skip) break;
    OSVM_TRY(const bool more,
             reader.read_block(std::string_view(buffer).substr(0, have), block, skip, found));
    if (!more || have < buffer.size()) break;
    block += log_reader::block_size;
    skip = 0;
  }
  tail.consumed = std::max(tail.consumed, reader.consumed());
  tail.damage = reader.damage();
  return tail;
}

result<wal_tail> read_log(const log_file& log, std::uint64_t from, std::size_t max_rows, wal_run& run) {
  return read_records(log, from, [&](std::string_view batch, const record_place& place) -> result<> {
    if (run.rows() > max_rows) return error(osvm::errc::limit_exceeded, log.name + ": too many rows");
    return run.add_batch(batch, place);
  });
}

}  // namespace osvm::ledger::rocksdb
