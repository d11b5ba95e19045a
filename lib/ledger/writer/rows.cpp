#include "rows.hpp"

#include <osvm/core/text.hpp>
#include <osvm/solana/programs.hpp>
#include <osvm/solana/writable.hpp>

#include <numeric>

namespace osvm::ledger {
namespace {

constexpr std::uint64_t bits_bytes = 4096;
constexpr char connected = static_cast<char>(0x81);  // so are its ancestors, as after a snapshot

template <class T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

void put_bits(std::string& out, const std::vector<std::uint32_t>& set) {
  put(out, bits_bytes);
  const auto at = out.size();
  out.append(bits_bytes, '\0');
  for (const auto i : set) out[at + i / 8] |= static_cast<char>(1U << i % 8);
}

// As validators note them: "[5] hello; [3] you".
std::optional<std::string> memo_of(const solana::message_view& m) {
  std::string out;
  for (const auto& ix : m.instructions) {
    if (ix.program_index >= m.keys.size()) continue;
    const auto& program = m.keys[ix.program_index];
    if (program != solana::programs::memo_v1 && program != solana::programs::memo_v3) continue;
    const std::string_view text(reinterpret_cast<const char*>(ix.data.data()), ix.data.size());
    if (!out.empty()) out += "; ";
    out += "[" + std::to_string(text.size()) + "] ";
    out += utf8_prefix(text) == text.size() ? text : std::string_view("(unparseable)");
  }
  return out.empty() ? std::nullopt : std::optional(out);
}

}  // namespace

result<transaction_rows> rows_of(const recorded_transaction& t, slot_t slot, std::uint32_t index) {
  const auto name = "slot " + std::to_string(slot) + ": transaction " + std::to_string(index);
  solana::transaction_view tx;
  if (const auto done = solana::parse_transaction(as_bytes(t.wire), tx); !done)
    return error(done.error().code, name + ": " + done.error().context);
  if (tx.size != t.wire.size() || tx.signatures.empty())
    return error(osvm::errc::malformed, name + ": no signature, or bytes behind its end");
  std::optional<solana::transaction_meta> meta;
  if (t.meta) {
    auto parsed = solana::parse_transaction_meta(as_bytes(*t.meta));
    if (!parsed) return error(parsed.error().code, name + ": " + parsed.error().context);
    meta = std::move(*parsed);
  }
  const auto* m = meta ? &*meta : nullptr;
  transaction_rows out;
  out.status_key = keys::status(tx.signatures[0], slot);
  const solana::account_keys all(tx.message.keys, m);
  for (std::size_t i = 0; i < all.size(); ++i)
    out.addresses.emplace_back(keys::address(*all.find(i), slot, index, tx.signatures[0]),
                               solana::is_writable(tx.message, m, i));
  if (auto memo = memo_of(tx.message)) {
    out.memo_key = keys::status(tx.signatures[0], slot);
    put(out.memo.emplace(), std::uint64_t{memo->size()});
    *out.memo += *memo;
  }
  return out;
}

std::string meta_row(const slot_row& s, ledger_release release) {
  const std::uint64_t shreds = s.shreds;
  std::string out;
  for (const std::uint64_t v : {s.slot, shreds, shreds, static_cast<std::uint64_t>(s.time) * 1000, shreds - 1,
                                s.parent, std::uint64_t{s.children->size()}})
    put(out, v);
  for (const auto c : *s.children) put(out, c);
  out.push_back(connected);
  if (release >= ledger_release::agave_3_1) {
    put_bits(out, *s.batch_ends);
    return out;
  }
  put(out, std::uint64_t{s.batch_ends->size()});
  for (const auto i : *s.batch_ends) put(out, i);
  return out;
}

std::string index_row(const slot_row& s, ledger_release release) {
  std::string out;
  put(out, s.slot);
  std::vector<std::uint32_t> data(s.shreds);
  std::iota(data.begin(), data.end(), 0U);
  if (release >= ledger_release::agave_2_2) {
    put_bits(out, data);
    put(out, std::uint64_t{s.shreds});
    put_bits(out, {});
    put(out, std::uint64_t{0});
    return out;
  }
  put(out, std::uint64_t{s.shreds});
  for (const auto i : data) put(out, std::uint64_t{i});
  put(out, std::uint64_t{0});
  return out;
}

void add_unproven_entries(recorded_block& b, std::uint64_t ticks) {
  for (std::size_t i = 0; i < b.transactions.size(); ++i) b.entries.push_back({0, {}, 1});
  for (std::uint64_t i = 1; i < ticks; ++i) b.entries.push_back({});
  b.entries.push_back({0, b.blockhash, 0});
}

}  // namespace osvm::ledger
