#include <osvm/ledger/ledger_export.hpp>
#include <osvm/ledger/query.hpp>

#include <algorithm>

namespace osvm::ledger {

bool is_hash_only(const block& b) noexcept {
  return b.entries().size() == 1 && b.entries()[0].num_hashes == 0 && b.transactions().empty();
}

bool has_proof(const block& b) noexcept {
  return b.entries().empty() || std::ranges::any_of(b.entries(), [](const entry& e) { return e.num_hashes; });
}

result<recorded_block> read_recorded_block(const blockstore& store, slot_t slot, bool need_status) {
  OSVM_TRY(const auto b, store.read_block(slot));
  OSVM_TRY(const auto meta, store.meta(slot));
  recorded_block out{.slot = slot, .parent = meta && meta->parent ? *meta->parent : b->parent()};
  out.blockhash = b->blockhash();
  if (slot != 0) {
    if (const auto before = store.blockhash(out.parent)) out.previous_blockhash = *before;
  }
  if (has_proof(*b))
    for (const auto& e : b->entries()) out.entries.push_back({e.num_hashes, e.hash, e.transactions});
  for (std::size_t i = 0; i < b->transactions().size(); ++i) {
    const auto wire = b->wire(i);
    auto& t = out.transactions.emplace_back();
    t.wire.assign(reinterpret_cast<const char*>(wire.data()), wire.size());
    const auto& signatures = b->transactions()[i].signatures;
    if (signatures.empty()) return error(errc::corrupt, "a transaction without a signature");
    OSVM_TRY(const auto status, store.status(signatures[0], slot));
    if (status)
      t.meta = std::string(status->bytes.text());
    else if (need_status)
      return error(errc::incomplete, "no status for transaction " + std::to_string(i));
  }
  OSVM_TRY(const auto rewards, store.rewards(slot));
  if (rewards) out.rewards = std::string(rewards->bytes.text());
  OSVM_TRY(out.time, store.block_time(slot));
  OSVM_TRY(out.height, store.block_height(slot));
  return out;
}

result<std::string> export_json_line(const blockstore& store, const std::optional<genesis>& g, slot_t slot) {
  block_query query;
  query.encode = {.encoding = solana::transaction_encoding::base64, .max_version = 255};
  query.level = commitment::confirmed;
  OSVM_TRY(const auto block, block_json(store, g, slot, query));
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  out.field("slot", slot);
  out.key("block");
  out.raw(block);
  OSVM_TRY(const auto b, store.read_block(slot));
  if (has_proof(*b)) {
    out.key("entries");
    out.begin_array();
    for (const auto& e : b->entries()) {
      out.begin_array();
      out.number(e.num_hashes), out.base58(e.hash), out.number(e.transactions);
      out.end_array();
    }
    out.end_array();
  }
  out.end_object();
  return text;
}

}  // namespace osvm::ledger
