#include <osvm/ledger/query.hpp>
#include <osvm/ledger/side_index.hpp>

#include <algorithm>
#include <set>

#include "keys.hpp"
#include "memo.hpp"
#include "status_rows.hpp"

namespace osvm::ledger {
namespace {

result<std::optional<std::int64_t>> time_of(const blockstore& store, const std::optional<genesis>& g,
                                            slot_t slot) {
  if (slot == 0 && g) return std::optional(g->creation_time);
  return store.block_time(slot);
}

void write_optional(solana::json_writer& out, std::string_view name, const std::optional<std::int64_t>& v) {
  out.key(name);
  v ? out.number(*v) : out.null();
}

// Why a slot that ought to be there has no block.
result<> check_block(const blockstore& store, slot_t slot, commitment level) {
  const auto b = store.bounds();
  const std::string name = "slot " + std::to_string(slot);
  if (level == commitment::confirmed && b->confirmed_unrooted.contains(slot)) return {};
  if (!b->last_root || slot > *b->last_root) return error(errc::not_rooted, name);
  OSVM_TRY(const bool root, store.is_root(slot));
  if (root) return {};
  if (slot < b->first_available) return error(errc::cleaned_up, name);
  return error(errc::skipped, name);
}

result<> write_transactions(solana::json_writer& out, const blockstore& store, slot_t slot, const block& b,
                            const block_query& query) {
  out.key("transactions");
  out.begin_array();
  std::optional<status_rows> statuses;  // from the first transaction on: a ledger may have neither
  for (std::size_t i = 0; i < b.transactions().size(); ++i) {
    const auto& tx = b.transactions()[i];
    if (tx.signatures.empty()) return error(errc::corrupt, "a transaction without a signature");
    if (!statuses) {
      OSVM_TRY(auto opened, status_rows::open(store.database()));
      statuses.emplace(std::move(opened));
    }
    OSVM_TRY(const auto* meta, statuses->meta(tx.signatures[0], slot));
    if (!meta && query.need_statuses)
      return error(errc::incomplete,
                   "slot " + std::to_string(slot) + ": no status for transaction " + std::to_string(i));
    out.begin_object();
    OSVM_CHECK(query.details == solana::transaction_details::accounts
                   ? solana::write_transaction_accounts(out, tx, meta, query.encode)
                   : solana::write_transaction_fields(out, b.wire(i), tx, meta, query.encode));
    out.end_object();
  }
  out.end_array();
  return {};
}

void write_block_signatures(solana::json_writer& out, const block& b) {
  out.key("signatures");
  out.begin_array();
  for (const auto& tx : b.transactions())
    if (!tx.signatures.empty()) out.base58(tx.signatures[0]);
  out.end_array();
}

result<> write_block_rewards(solana::json_writer& out, const blockstore& store, slot_t slot) {
  OSVM_TRY(const auto rewards, store.rewards(slot));
  out.key("rewards");
  solana::write_rewards(out, rewards ? std::span<const solana::reward>(rewards->rewards.rewards)
                                     : std::span<const solana::reward>{});
  if (rewards && rewards->rewards.num_partitions)
    out.field("numRewardPartitions", *rewards->rewards.num_partitions);
  return {};
}

std::optional<std::size_t> position_of(const block& b, const solana::signature& s) {
  for (std::size_t i = 0; i < b.transactions().size(); ++i) {
    const auto& signatures = b.transactions()[i].signatures;
    if (!signatures.empty() && signatures[0] == s) return i;
  }
  return std::nullopt;
}

// Where a page of history begins or ends: a slot, and the signatures of that slot on one side of a
// transaction.
struct page_edge {
  slot_t slot = 0;
  std::set<solana::signature> signatures;
};

// The highest slot that `accept` takes in which the side index places a transaction that is there. An index
// that cannot be read, or that is another ledger's, knows nothing.
result<std::optional<slot_t>> find_indexed(const blockstore& store, const solana::signature& s,
                                           const std::function<result<bool>(slot_t)>& accept) {
  if (!store.index()) return std::optional<slot_t>{};
  result<> failure;
  const auto place = store.index()->find(s, [&](slot_t slot) {
    const auto taken = accept(slot);
    if (!taken) failure = taken.error();
    if (!taken || !*taken) return false;
    const auto there = store.locate(s, slot);
    if (!there) failure = there.error();
    return there && there->has_value();
  });
  OSVM_CHECK(failure);
  return place && *place ? std::optional((*place)->slot) : std::nullopt;
}

result<std::optional<page_edge>> find_edge(const blockstore& store, const solana::signature& s, bool before) {
  const auto any = [](slot_t) { return true; };
  OSVM_TRY(const auto status, store.find_status(s, any));
  auto slot = status ? std::optional(status->slot) : std::nullopt;
  if (!slot) {
    OSVM_TRY(slot, find_indexed(store, s, any));
  }
  if (!slot) return std::optional<page_edge>{};
  page_edge out{*slot, {}};
  OSVM_TRY(const auto b, store.read_block(*slot));
  const auto at = position_of(*b, s).value_or(0);
  for (std::size_t i = before ? at : 0;
       i < std::min(before ? ~std::size_t{0} : at + 1, b->transactions().size()); ++i)
    if (const auto& list = b->transactions()[i].signatures; !list.empty()) out.signatures.insert(list[0]);
  return std::optional(std::move(out));
}

// What a slot's rows of a history share.
struct history_slot {
  slot_t slot = ~slot_t{0};
  bool rooted = false, settled = false;
  std::optional<std::int64_t> time{};
};

result<history_slot> look_at(const blockstore& store, const std::optional<genesis>& g, slot_t slot,
                             commitment level) {
  history_slot out{.slot = slot};
  OSVM_TRY(out.rooted, store.is_root(slot));
  out.settled =
      out.rooted || (level != commitment::finalized && store.bounds()->confirmed_unrooted.contains(slot));
  if (out.settled) {
    OSVM_TRY(out.time, time_of(store, g, slot));
  }
  return out;
}

// What a history says of each transaction, by look-ups that share what they prepare.
class transaction_notes {
 public:
  static result<transaction_notes> open(const blockstore& store) {
    OSVM_TRY(auto statuses, status_rows::open(store.database()));
    transaction_notes out(std::move(statuses));
    auto memos = store.database().read("transaction_memos");
    if (memos && !memos->empty()) out.memos_.emplace(std::move(*memos));
    return out;
  }
  // Without a status nobody knows whether the transaction succeeded.
  result<std::optional<solana::transaction_error>> failure(const solana::signature& s, slot_t slot) {
    OSVM_TRY(const auto status, statuses_.row(s, slot));
    if (status) return solana::parse_meta_error(status->bytes());
    return error(errc::incomplete, "slot " + std::to_string(slot) + ": no status for transaction " +
                                       s.to_string() + ": the ledger does not say whether it succeeded");
  }
  result<std::optional<std::string>> memo(const solana::signature& s, slot_t slot) {
    if (!memos_) return std::optional<std::string>{};
    OSVM_TRY(auto row, memos_->get(keys::status(s, slot)));
    if (!row) {
      OSVM_TRY(row, memos_->get(keys::status_prefix(s)));
    }
    if (!row) return std::optional<std::string>{};
    OSVM_TRY(auto text, parse_memo(row->bytes()));
    return std::optional(std::move(text));
  }

 private:
  explicit transaction_notes(status_rows statuses) : statuses_(std::move(statuses)) {}
  status_rows statuses_;
  std::optional<rocksdb::reader> memos_;
};

result<> write_history_row(solana::json_writer& out, transaction_notes& notes, const address_signature& row,
                           const history_slot& at) {
  out.begin_object();
  out.field("signature", row.signature);
  out.field("slot", row.slot);
  OSVM_TRY(const auto failure, notes.failure(row.signature, row.slot));
  out.key("err");
  failure ? solana::write_json(out, *failure) : out.null();
  OSVM_TRY(const auto memo, notes.memo(row.signature, row.slot));
  out.key("memo");
  memo ? out.string(*memo) : out.null();
  write_optional(out, "blockTime", at.time);
  out.field("confirmationStatus", at.rooted ? "finalized" : "confirmed");
  if (row.transaction_index) out.field("transactionIndex", *row.transaction_index);  // since Agave 4.0
  out.end_object();
  return {};
}

result<std::string> write_found(const blockstore& store, const std::optional<genesis>& g,
                                const located_transaction& tx, const solana::transaction_meta* meta,
                                const block_query& query) {
  std::string text;
  solana::json_writer out(text, solana::json_writer::ahead{});
  out.begin_object();
  out.field("slot", tx.slot);
  OSVM_CHECK(solana::write_transaction_fields(out, as_bytes(*tx.wire), tx.transaction, meta, query.encode));
  OSVM_TRY(const auto time, time_of(store, g, tx.slot));
  write_optional(out, "blockTime", time);
  out.end_object();
  out.finish();
  return text;
}

// A transaction that only the side index knows: the ledger has its shreds, but not what became of it.
result<std::string> unrecorded_json(const blockstore& store, const std::optional<genesis>& g,
                                    const solana::signature& s, const block_query& query) {
  const std::string nothing = "null";
  OSVM_TRY(const auto slot,
           find_indexed(store, s, [&](slot_t at) { return is_settled(store, at, query.level); }));
  if (!slot) return nothing;
  OSVM_TRY(const auto alone, store.locate(s, *slot));
  return alone ? write_found(store, g, *alone, nullptr, query) : result<std::string>(nothing);
}

}  // namespace

std::optional<commitment> parse_commitment(std::string_view name) noexcept {
  if (name == "processed" || name == "recent") return commitment::processed;
  if (name == "confirmed" || name == "single" || name == "singleGossip") return commitment::confirmed;
  if (name == "finalized" || name == "max" || name == "root") return commitment::finalized;
  return std::nullopt;
}

std::optional<slot_t> slot_at(const ledger_bounds& b, commitment level) noexcept {
  switch (level) {
    case commitment::finalized: return b.last_root;
    case commitment::confirmed: return b.last_confirmed;
    case commitment::processed: return b.highest_full ? b.highest_full : b.last_root;
  }
  return std::nullopt;
}

result<bool> is_settled(const blockstore& store, slot_t slot, commitment level) {
  if (level != commitment::finalized && store.bounds()->confirmed_unrooted.contains(slot)) return true;
  return store.is_root(slot);
}

result<std::string> block_json(const blockstore& store, const std::optional<genesis>& g, slot_t slot,
                               const block_query& query) {
  OSVM_CHECK(check_block(store, slot, query.level));
  OSVM_TRY(const auto b, store.read_block(slot));
  OSVM_TRY(const auto meta, store.meta(slot));
  const slot_t parent = meta && meta->parent ? *meta->parent : b->parent();
  solana::hash before{};
  if (slot != 0) {
    auto parents = store.blockhash(parent);
    if (!parents)
      return error(errc::cleaned_up, "the parent of slot " + std::to_string(slot) + " is not there");
    before = *parents;
  }
  std::string text;
  text.reserve(256 + b->bytes().size() * 9);  // statuses are most of it
  solana::json_writer out(text, solana::json_writer::ahead{});
  out.begin_object();
  out.field("previousBlockhash", before);
  out.field("blockhash", b->blockhash());
  out.field("parentSlot", parent);
  if (query.details == solana::transaction_details::full ||
      query.details == solana::transaction_details::accounts)
    OSVM_CHECK(write_transactions(out, store, slot, *b, query));
  if (query.details == solana::transaction_details::signatures) write_block_signatures(out, *b);
  if (query.encode.rewards) OSVM_CHECK(write_block_rewards(out, store, slot));
  OSVM_TRY(const auto time, time_of(store, g, slot));
  write_optional(out, "blockTime", time);
  OSVM_TRY(const auto height, store.block_height(slot));
  out.key("blockHeight");
  height ? out.number(*height) : slot == 0 ? out.number(std::uint64_t{0}) : out.null();
  out.end_object();
  out.finish();
  return text;
}

result<std::string> transaction_json(const blockstore& store, const std::optional<genesis>& g,
                                     const solana::signature& s, const block_query& query) {
  result<> failure;
  OSVM_TRY(const auto status, store.find_status(s, [&](slot_t slot) {
    const auto settled = is_settled(store, slot, query.level);
    if (!settled) failure = settled.error();
    return settled && *settled;
  }));
  OSVM_CHECK(failure);
  if (!status) return unrecorded_json(store, g, s, query);
  OSVM_TRY(const auto alone, store.locate(s, status->slot));
  if (alone) return write_found(store, g, *alone, &status->meta, query);
  OSVM_TRY(const auto b, store.read_block(status->slot));
  const auto at = position_of(*b, s);
  if (!at)
    return error(errc::corrupt,
                 "slot " + std::to_string(status->slot) + " lacks a transaction that has a status");
  std::string text;
  solana::json_writer out(text, solana::json_writer::ahead{});
  out.begin_object();
  out.field("slot", status->slot);
  OSVM_CHECK(solana::write_transaction_fields(out, b->wire(*at), b->transactions()[*at], &status->meta,
                                              query.encode));
  OSVM_TRY(const auto time, time_of(store, g, status->slot));
  write_optional(out, "blockTime", time);
  out.end_object();
  out.finish();
  return text;
}

result<std::string> signatures_json(const blockstore& store, const std::optional<genesis>& g,
                                    const solana::pubkey& address, const signatures_query& query) {
  const auto b = store.bounds();
  page_edge from{slot_at(*b, query.level).value_or(0), {}}, to{b->first_available, {}};
  for (const bool before : {true, false}) {
    const auto& wanted = before ? query.before : query.until;
    if (!wanted) continue;
    OSVM_TRY(auto edge, find_edge(store, *wanted, before));
    if (!edge && before) return std::string("[]");
    if (edge) (before ? from : to) = std::move(*edge);
  }
  std::string text;
  solana::json_writer out(text, solana::json_writer::ahead{});
  out.begin_array();
  std::size_t count = 0;
  history_slot at;
  std::optional<transaction_notes> notes;  // from the first row on: a ledger may have none of all this
  result<> failure;
  OSVM_CHECK(store.signatures_of(address, from.slot, [&](const address_signature& row) {
    if (count >= query.limit || row.slot < to.slot) return false;
    if (row.slot == from.slot && from.signatures.contains(row.signature)) return true;
    if (row.slot == to.slot && to.signatures.contains(row.signature)) return true;
    if (row.slot != at.slot) {
      auto seen = look_at(store, g, row.slot, query.level);
      if (!seen) return failure = seen.error(), false;
      at = *seen;
    }
    if (!at.settled) return true;
    if (!notes) {
      auto opened = transaction_notes::open(store);
      if (!opened) return failure = opened.error(), false;
      notes.emplace(std::move(*opened));
    }
    failure = write_history_row(out, *notes, row, at);
    ++count;
    return failure.has_value();
  }));
  OSVM_CHECK(failure);
  out.end_array();
  out.finish();
  return text;
}

}  // namespace osvm::ledger
