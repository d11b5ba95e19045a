#include <osvm/ledger/error.hpp>
#include <osvm/ledger/slot_meta.hpp>

namespace osvm::ledger {
namespace {

constexpr std::size_t bitset_bytes = 4096;  // 32,768 shreds, least significant bit first
constexpr std::uint64_t none = ~0ULL;

std::optional<std::uint64_t> optional_number(std::uint64_t v) {
  return v == none ? std::nullopt : std::optional(v);
}

error bad_row(const char* what) {
  return {errc::corrupt, what};
}

result<std::uint64_t> read_count(byte_reader& in, std::size_t element) {
  OSVM_TRY(const auto n, in.read<std::uint64_t>());
  if (n > in.remaining() / element) return bad_row("a row that counts more than it holds");
  return n;
}

void collect_bits(bytes_view bits, std::vector<std::uint32_t>& out) {
  for (std::size_t i = 0; i < bits.size(); ++i)
    for (unsigned b = std::to_integer<unsigned>(bits[i]); b; b &= b - 1)
      out.push_back(static_cast<std::uint32_t>(i * 8 + static_cast<unsigned>(std::countr_zero(b))));
}

result<> read_completed(byte_reader& in, slot_meta& out) {
  OSVM_TRY(const auto n, in.read<std::uint64_t>());
  const auto rest = in.remaining();
  if (n == bitset_bytes && (rest == bitset_bytes || rest == bitset_bytes + 36)) {
    out.encoding = rest == bitset_bytes ? 2 : 3;
    OSVM_TRY(const auto bits, in.take(bitset_bytes));
    collect_bits(bits, out.completed_indexes);
    if (out.encoding == 3) {
      OSVM_TRY(const auto id, in.take(32));
      OSVM_TRY(out.parent_block_id, solana::hash::read(id));
    }
    return {};
  }
  out.encoding = 1;
  if (n > rest / 4) return bad_row("slot meta: more completed indexes than bytes");
  out.completed_indexes.resize(n);
  for (auto& v : out.completed_indexes) {
    OSVM_TRY(v, in.read<std::uint32_t>());
  }
  return {};
}

}  // namespace

result<slot_meta> parse_slot_meta(bytes_view row) {
  byte_reader in(row);
  slot_meta out;
  OSVM_TRY(out.slot, in.read<std::uint64_t>());
  OSVM_TRY(out.consumed, in.read<std::uint64_t>());
  OSVM_TRY(out.received, in.read<std::uint64_t>());
  OSVM_TRY(out.first_shred_timestamp, in.read<std::uint64_t>());
  OSVM_TRY(const auto last, in.read<std::uint64_t>());
  OSVM_TRY(const auto parent, in.read<std::uint64_t>());
  out.last_index = optional_number(last);
  out.parent = optional_number(parent);
  OSVM_TRY(const auto children, read_count(in, 8));
  out.next_slots.resize(children);
  for (auto& s : out.next_slots) {
    OSVM_TRY(s, in.read<std::uint64_t>());
  }
  OSVM_TRY(out.connected, in.read<std::uint8_t>());
  OSVM_CHECK(read_completed(in, out));
  return out;
}

result<shred_index> parse_shred_index(bytes_view row) {
  byte_reader in(row);
  shred_index out;
  OSVM_TRY(out.slot, in.read<std::uint64_t>());
  out.encoding = row.size() == 8 + 2 * (8 + bitset_bytes + 8) ? 2 : 1;
  for (auto* count : {&out.data, &out.code}) {
    if (out.encoding == 2) {
      OSVM_TRY(const auto length, in.read<std::uint64_t>());
      if (length != bitset_bytes) return bad_row("shred index: a bitset of another size");
      OSVM_CHECK(in.take(bitset_bytes));
      OSVM_TRY(*count, in.read<std::uint64_t>());
    } else {
      OSVM_TRY(*count, read_count(in, 8));
      OSVM_CHECK(in.take(*count * 8));
    }
  }
  return out;
}

result<perf_sample> parse_perf_sample(bytes_view row) {
  byte_reader in(row);
  perf_sample out;
  OSVM_TRY(out.transactions, in.read<std::uint64_t>());
  OSVM_TRY(out.slots, in.read<std::uint64_t>());
  OSVM_TRY(out.period_seconds, in.read<std::uint16_t>());
  if (in.remaining() >= 8) {
    OSVM_TRY(out.non_vote_transactions, in.read<std::uint64_t>());
  }
  return out;
}

}  // namespace osvm::ledger
