#include <osvm/ledger/compare.hpp>
#include <osvm/ledger/error.hpp>
#include <osvm/ledger/ledger_export.hpp>
#include <osvm/solana/encode.hpp>

#include <algorithm>

namespace osvm::ledger {
namespace {

using differences = std::vector<std::string>;

// Slots with a block of their own.
result<std::vector<slot_t>> slots_of(const blockstore& store, slot_t from, slot_t to) {
  std::vector<slot_t> out;
  OSVM_CHECK(store.each_meta(from, [&](const slot_meta& m) {
    if (m.slot > to) return false;
    if (m.received == 0) return true;
    if (m.full() && m.received == 1) {  // perhaps only a parent's hash
      const auto b = store.read_block(m.slot);
      if (b && is_hash_only(**b)) return true;
    }
    out.push_back(m.slot);
    return true;
  }));
  return out;
}

std::string show(const std::optional<std::int64_t>& v) {
  return v ? std::to_string(*v) : "none";
}
std::string show(const std::optional<std::uint64_t>& v) {
  return v ? std::to_string(*v) : "none";
}

// Two encoders may write one message in two ways; what a client is told decides.
bool same_status(const std::string& wire, const std::string& a, const std::string& b) {
  solana::transaction_view tx;
  if (!solana::parse_transaction(as_bytes(wire), tx)) return false;
  std::string text[2];
  for (const bool second : {false, true}) {
    const auto meta = solana::parse_transaction_meta(as_bytes(second ? b : a));
    solana::json_writer out(text[second]);
    if (!meta || !solana::write_transaction_fields(
                     out, as_bytes(wire), tx, &*meta,
                     {.encoding = solana::transaction_encoding::base64, .max_version = 255}))
      return false;
  }
  return text[0] == text[1];
}

void compare_entries(const recorded_block& a, const recorded_block& b, differences& out) {
  if (a.entries.size() != b.entries.size())
    out.push_back(std::to_string(a.entries.size()) + " entries, not " + std::to_string(b.entries.size()));
  for (std::size_t i = 0; i < std::min(a.entries.size(), b.entries.size()); ++i) {
    const auto &x = a.entries[i], &y = b.entries[i];
    if (x.hash == y.hash && x.num_hashes == y.num_hashes && x.transactions == y.transactions) continue;
    out.push_back("entry " + std::to_string(i) + ": another one");
    return;  // every later hash follows from it
  }
}

void compare_transactions(const recorded_block& a, const recorded_block& b, differences& out) {
  if (a.transactions.size() != b.transactions.size())
    out.push_back(std::to_string(a.transactions.size()) + " transactions, not " +
                  std::to_string(b.transactions.size()));
  for (std::size_t i = 0; i < std::min(a.transactions.size(), b.transactions.size()); ++i) {
    const auto &x = a.transactions[i], &y = b.transactions[i];
    const auto name = "transaction " + std::to_string(i) + ": ";
    if (x.wire != y.wire)
      out.push_back(name + "another one");
    else if (x.meta.has_value() != y.meta.has_value())
      out.push_back(name + "a status only in the " + (x.meta ? "first" : "second"));
    else if (x.meta != y.meta && !same_status(x.wire, *x.meta, *y.meta))
      out.push_back(name + "another status");
  }
}

struct slot_notes {
  bool without_proof = false, unreadable = false;
};

result<> compare_blocks(const blockstore& first, const blockstore& second, slot_t slot, differences& out,
                        slot_notes& notes) {
  const auto a = read_recorded_block(first, slot, false), b = read_recorded_block(second, slot, false);
  if (!a && !b) {
    notes.unreadable = a.error().code != errc::dead || b.error().code != errc::dead;
    if (a.error().code != b.error().code)
      out.push_back("no block: " + a.error().to_string() + "; " + b.error().to_string());
    return {};
  }
  if (!a || !b) {
    out.push_back("a block only in the " + std::string(a ? "first: " : "second: ") +
                  (a ? b : a).error().to_string());
    return {};
  }
  if (a->parent != b->parent)
    out.push_back("parent " + std::to_string(a->parent) + ", not " + std::to_string(b->parent));
  if (a->blockhash != b->blockhash)
    out.push_back("blockhash " + a->blockhash.to_string() + ", not " + b->blockhash.to_string());
  notes.without_proof = a->entries.empty() != b->entries.empty();
  if (!notes.without_proof) compare_entries(*a, *b, out);
  compare_transactions(*a, *b, out);
  if (a->time != b->time) out.push_back("time " + show(a->time) + ", not " + show(b->time));
  if (a->height != b->height) out.push_back("height " + show(a->height) + ", not " + show(b->height));
  const auto x = a->rewards.value_or(""), y = b->rewards.value_or("");
  if (x != y) out.push_back("other rewards");
  return {};
}

result<> compare_marks(const blockstore& first, const blockstore& second, slot_t slot, differences& out) {
  OSVM_TRY(const bool root_a, first.is_root(slot));
  OSVM_TRY(const bool root_b, second.is_root(slot));
  if (root_a != root_b) out.push_back(std::string("final only in the ") + (root_a ? "first" : "second"));
  OSVM_TRY(const bool dead_a, first.is_dead(slot));
  OSVM_TRY(const bool dead_b, second.is_dead(slot));
  if (dead_a != dead_b) out.push_back(std::string("dead only in the ") + (dead_a ? "first" : "second"));
  return {};
}

}  // namespace

result<comparison> compare_ledgers(const blockstore& first, const blockstore& second, slot_t from, slot_t to,
                                   const std::function<bool(const slot_difference&)>& found) {
  OSVM_TRY(const auto a, slots_of(first, from, to));
  OSVM_TRY(const auto b, slots_of(second, from, to));
  comparison out;
  for (std::size_t i = 0, j = 0; i < a.size() || j < b.size();) {
    const bool in_a = i < a.size() && (j == b.size() || a[i] <= b[j]);
    const bool in_b = j < b.size() && (i == a.size() || b[j] <= a[i]);
    const slot_t slot = in_a ? a[i] : b[j];
    i += in_a, j += in_b;
    if (!in_a || !in_b) {
      ++(in_a ? out.only_first : out.only_second);
      if (!found({slot, std::string("only in the ") + (in_a ? "first" : "second")})) return out;
      continue;
    }
    ++out.slots;
    differences list;
    slot_notes notes;
    OSVM_CHECK(compare_blocks(first, second, slot, list, notes));
    OSVM_CHECK(compare_marks(first, second, slot, list));
    out.without_proof += notes.without_proof;
    out.unreadable += notes.unreadable;
    out.equal += list.empty() && !notes.unreadable;
    for (auto& what : list)
      if (!found({slot, std::move(what)})) return out;
  }
  return out;
}

}  // namespace osvm::ledger
