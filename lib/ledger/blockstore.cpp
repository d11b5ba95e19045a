#include <osvm/ledger/blockstore.hpp>
#include <osvm/ledger/side_index.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <list>
#include <mutex>

#include "keys.hpp"
#include "memo.hpp"
#include "status_rows.hpp"

namespace osvm::ledger {

struct blockstore::impl {
  explicit impl(rocksdb::database d, blockstore_options o) : db(std::move(d)), options(o) {}

  rocksdb::database db;
  blockstore_options options;
  mutable std::mutex mutex;
  std::shared_ptr<const ledger_bounds> bounds;
  mutable std::list<std::pair<slot_t, std::shared_ptr<const block>>> blocks;  // most recent first

  // What rows have said about slots since the last refresh: a history asks for a slot of each of its rows.
  // Only what is there is kept.
  struct slot_facts {
    slot_t slot = ~slot_t{0};
    std::optional<bool> rooted{};
    std::optional<std::int64_t> time{};
  };
  mutable std::array<slot_facts, 1024> facts{};
  std::uint64_t generation = 0;  // of the facts: what was read before a refresh is not kept behind it

  // Gives `what` of the facts, or reads it by `read` and keeps it.
  template <class T, class F>
  result<std::optional<T>> fact(slot_t slot, std::optional<T> slot_facts::*what, F read) const {
    auto& place = facts[slot % facts.size()];
    std::uint64_t seen;
    {
      const std::lock_guard lock(mutex);
      if (place.slot == slot && place.*what) return place.*what;
      seen = generation;
    }
    OSVM_TRY(std::optional<T> out, read());
    const std::lock_guard lock(mutex);
    if (seen != generation || !out) return out;
    if (place.slot != slot) place = {.slot = slot};
    place.*what = out;
    return out;
  }

  result<> find_bounds();
  result<std::shared_ptr<const block>> read(slot_t slot) const;
  result<std::vector<rocksdb::value>> shreds(slot_t slot, std::uint64_t last) const;
  result<std::optional<rocksdb::value>> status_row(const solana::signature& s, slot_t slot) const;
};

namespace {

// Rows of one address that are sorted in memory.
constexpr std::size_t max_history = 1 << 20;
// Rows of the side index that are read at a time.
constexpr std::size_t history_chunk = 1024;

bool is_folder(const std::string& path) {
  struct ::stat st {};
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

std::optional<slot_t> slot_of(std::string_view key) {
  if (key.size() < 8) return std::nullopt;
  return keys::read_u64(key);
}

result<stored_status> make_status(slot_t slot, rocksdb::value row) {
  OSVM_TRY(auto meta, parse_row(row, solana::parse_transaction_meta, solana::rewrite_old_meta));
  return stored_status{slot, std::move(row), std::move(meta)};
}

result<std::optional<slot_t>> edge(const rocksdb::database& db, std::string_view column, bool last) {
  if (!db.has_column(column)) return std::optional<slot_t>{};
  OSVM_TRY(auto it, db.iterate(column));
  last ? it.seek_last() : it.seek_first();
  OSVM_CHECK(it.status());
  return it.valid() ? slot_of(it.key()) : std::optional<slot_t>{};
}

}  // namespace

blockstore::blockstore(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
blockstore::blockstore(blockstore&&) noexcept = default;
blockstore& blockstore::operator=(blockstore&&) noexcept = default;
blockstore::~blockstore() = default;

result<blockstore> blockstore::open(const std::string& folder, blockstore_options options) {
  std::string at = folder;
  for (const char* below : {"/rocksdb", "/rocksdb_fifo"}) {
    if (!is_folder(folder + below)) continue;
    at = folder + below;
    break;
  }
  OSVM_TRY(auto db, rocksdb::database::open(at, options.database));
  if (!db.has_column("meta") || !db.has_column("data_shred"))
    return error(errc::not_a_ledger, at + " is a RocksDB database, but not a ledger's");
  auto i = std::make_unique<impl>(std::move(db), options);
  OSVM_CHECK(i->find_bounds());
  return blockstore(std::move(i));
}

const rocksdb::database& blockstore::database() const noexcept {
  return impl_->db;
}

result<bool> blockstore::refresh() {
  OSVM_TRY(const bool news, impl_->db.refresh());
  if (!news) return false;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->facts = {};
    ++impl_->generation;
  }
  OSVM_CHECK(impl_->find_bounds());
  return true;
}

std::shared_ptr<const ledger_bounds> blockstore::bounds() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->bounds;
}

result<> blockstore::impl::find_bounds() {
  auto out = std::make_shared<ledger_bounds>();
  OSVM_TRY(auto metas, db.iterate("meta"));
  for (metas.seek_first(); metas.valid(); metas.next()) {
    OSVM_TRY(const auto m, parse_slot_meta(metas.value().bytes()));
    if (m.received == 0) continue;
    out->lowest = m.slot;
    break;
  }
  for (metas.seek_last(); metas.valid(); metas.prev()) {
    OSVM_TRY(const auto m, parse_slot_meta(metas.value().bytes()));
    if (m.received == 0) continue;
    if (!out->highest) out->highest = m.slot;
    if (!m.full()) continue;
    out->highest_full = m.slot;
    break;
  }
  OSVM_CHECK(metas.status());
  OSVM_TRY(out->first_root, edge(db, "root", false));
  OSVM_TRY(out->last_root, edge(db, "root", true));
  OSVM_TRY(out->last_confirmed, edge(db, "optimistic_slots", true));
  if (out->last_root && (!out->last_confirmed || *out->last_confirmed < *out->last_root))
    out->last_confirmed = out->last_root;

  if (out->last_root) {
    OSVM_TRY(auto roots, db.iterate("root"));
    roots.seek(keys::slot(out->lowest.value_or(0)));
    if (roots.valid() && keys::read_u64(roots.key()) != 0) roots.next();
    if (roots.valid()) out->first_available = keys::read_u64(roots.key());
    OSVM_CHECK(roots.status());
  }
  // Back from the last confirmed slot, parent by parent. A parent is always lower, so this ends.
  for (auto at = out->last_confirmed;
       at && (!out->last_root || *at > *out->last_root) && out->confirmed_unrooted.size() < 4096;) {
    OSVM_TRY(const auto row, db.get("meta", keys::slot(*at)));
    if (!row) break;
    OSVM_TRY(const auto m, parse_slot_meta(row->bytes()));
    if (m.full()) out->confirmed_unrooted.insert(*at);
    at = m.parent && *m.parent < *at ? m.parent : std::nullopt;
  }
  const std::lock_guard lock(mutex);
  bounds = std::move(out);
  return {};
}

result<std::optional<slot_meta>> blockstore::meta(slot_t slot) const {
  OSVM_TRY(const auto row, impl_->db.get("meta", keys::slot(slot)));
  if (!row) return std::optional<slot_meta>{};
  OSVM_TRY(auto m, parse_slot_meta(row->bytes()));
  return std::optional(std::move(m));
}

result<bool> blockstore::is_root(slot_t slot) const {
  OSVM_TRY(const auto known,
           impl_->fact(slot, &impl::slot_facts::rooted, [&]() -> result<std::optional<bool>> {
             OSVM_TRY(const auto row, impl_->db.get("root", keys::slot(slot)));
             const bool rooted = row && !row->bytes().empty() && row->bytes()[0] == std::byte{1};
             return rooted ? std::optional(true) : std::optional<bool>{};  // what is none yet may become one
           }));
  return known.value_or(false);
}

result<bool> blockstore::is_dead(slot_t slot) const {
  OSVM_TRY(const auto row, impl_->db.get("dead_slots", keys::slot(slot)));
  return row && !row->bytes().empty() && row->bytes()[0] == std::byte{1};
}

result<std::optional<std::int64_t>> blockstore::block_time(slot_t slot) const {
  return impl_->fact(slot, &impl::slot_facts::time, [&]() -> result<std::optional<std::int64_t>> {
    OSVM_TRY(const auto row, impl_->db.get("blocktime", keys::slot(slot)));
    if (!row) return std::optional<std::int64_t>{};
    OSVM_TRY(const auto v, read_at<std::int64_t>(row->bytes(), 0));
    return std::optional(v);
  });
}

result<std::optional<std::uint64_t>> blockstore::block_height(slot_t slot) const {
  if (!impl_->db.has_column("block_height")) return std::optional<std::uint64_t>{};
  OSVM_TRY(const auto row, impl_->db.get("block_height", keys::slot(slot)));
  if (!row) return std::optional<std::uint64_t>{};
  OSVM_TRY(const auto v, read_at<std::uint64_t>(row->bytes(), 0));
  return std::optional(v);
}

result<std::optional<stored_rewards>> blockstore::rewards(slot_t slot) const {
  OSVM_TRY(auto row, impl_->db.get("rewards", keys::slot(slot)));
  if (!row) return std::optional<stored_rewards>{};
  OSVM_TRY(auto parsed, parse_row(*row, solana::parse_rewards, solana::rewrite_old_rewards));
  return std::optional(stored_rewards{std::move(*row), std::move(parsed)});
}

result<std::vector<slot_t>> blockstore::roots(slot_t from, slot_t to, std::size_t limit) const {
  std::vector<slot_t> out;
  OSVM_TRY(auto it, impl_->db.iterate("root"));
  for (it.seek(keys::slot(from)); it.valid() && out.size() < limit; it.next()) {
    const auto slot = slot_of(it.key());
    if (!slot || *slot > to) break;
    if (it.value().text() == std::string_view("\x01", 1)) out.push_back(*slot);
  }
  OSVM_CHECK(it.status());
  return out;
}

result<> blockstore::each_meta(slot_t from, const std::function<bool(const slot_meta&)>& visit) const {
  OSVM_TRY(auto it, impl_->db.iterate("meta"));
  for (it.seek(keys::slot(from)); it.valid(); it.next()) {
    OSVM_TRY(const auto m, parse_slot_meta(it.value().bytes()));
    if (!visit(m)) return {};
  }
  return it.status();
}

result<std::vector<std::pair<slot_t, perf_sample>>> blockstore::perf_samples(std::size_t limit) const {
  std::vector<std::pair<slot_t, perf_sample>> out;
  if (!impl_->db.has_column("perf_samples")) return out;
  OSVM_TRY(auto it, impl_->db.iterate("perf_samples"));
  for (it.seek_last(); it.valid() && out.size() < limit; it.prev()) {
    OSVM_TRY(const auto p, parse_perf_sample(it.value().bytes()));
    if (const auto slot = slot_of(it.key())) out.emplace_back(*slot, p);
  }
  OSVM_CHECK(it.status());
  return out;
}

// blocks

result<std::vector<rocksdb::value>> blockstore::impl::shreds(slot_t slot, std::uint64_t last) const {
  if (last >= options.block.max_shreds)
    return error(osvm::errc::limit_exceeded, "a block of too many shreds");
  std::vector<rocksdb::value> out;
  out.reserve(last + 1);
  OSVM_TRY(auto it, db.iterate("data_shred"));
  for (it.seek(keys::shred(slot, 0)); it.valid() && out.size() <= last; it.next()) {
    if (it.key().size() != 16 || keys::read_u64(it.key()) != slot) break;
    if (keys::read_u64(it.key().substr(8)) != out.size()) break;
    out.push_back(it.value());
  }
  OSVM_CHECK(it.status());
  if (out.size() == last + 1) return out;
  const std::string what =
      "slot " + std::to_string(slot) + ": data shred " + std::to_string(out.size()) + " is not there";
  if (!it.lost().empty()) return error(errc::lost, what + ", " + it.lost().front().file + " is not readable");
  return error(errc::incomplete, what);
}

result<std::shared_ptr<const block>> blockstore::impl::read(slot_t slot) const {
  OSVM_TRY(const auto row, db.get("meta", keys::slot(slot)));
  if (!row) return error(errc::skipped, "slot " + std::to_string(slot));
  OSVM_TRY(const auto m, parse_slot_meta(row->bytes()));
  if (!m.full()) return error(errc::incomplete, "slot " + std::to_string(slot));
  OSVM_TRY(const auto dead, db.get("dead_slots", keys::slot(slot)));
  if (dead && dead->text() == std::string_view("\x01", 1))
    return error(errc::dead, "slot " + std::to_string(slot));
  OSVM_TRY(const auto rows, shreds(slot, *m.last_index));
  std::vector<bytes_view> views;
  views.reserve(rows.size());
  for (const auto& r : rows) views.push_back(r.bytes());
  OSVM_TRY(auto made, block::build(views, options.block));
  return std::make_shared<const block>(std::move(made));
}

result<std::shared_ptr<const block>> blockstore::read_block(slot_t slot) const {
  {
    const std::lock_guard lock(impl_->mutex);
    auto& kept = impl_->blocks;
    const auto at = std::ranges::find(kept, slot, &std::pair<slot_t, std::shared_ptr<const block>>::first);
    if (at != kept.end()) {
      kept.splice(kept.begin(), kept, at);
      return at->second;
    }
  }
  OSVM_TRY(auto made, impl_->read(slot));
  const std::lock_guard lock(impl_->mutex);
  impl_->blocks.emplace_front(slot, made);
  if (impl_->blocks.size() > impl_->options.cached_blocks) impl_->blocks.pop_back();
  return made;
}

result<solana::hash> blockstore::blockhash(slot_t slot) const {
  OSVM_TRY(const auto b, read_block(slot));
  return b->blockhash();
}

// transactions

result<std::optional<rocksdb::value>> blockstore::impl::status_row(const solana::signature& s,
                                                                   slot_t slot) const {
  OSVM_TRY(auto row, db.get("transaction_status", keys::status(s, slot)));
  for (const std::uint64_t primary : {0, 1}) {
    if (row) break;
    OSVM_TRY(row, db.get("transaction_status", keys::old_status(primary, s, slot)));
  }
  return row;
}

result<std::optional<stored_status>> blockstore::status(const solana::signature& s, slot_t slot) const {
  OSVM_TRY(auto row, impl_->status_row(s, slot));
  if (!row) return std::optional<stored_status>{};
  OSVM_TRY(auto made, make_status(slot, std::move(*row)));
  return std::optional(std::move(made));
}

result<std::optional<solana::transaction_error>> blockstore::failure(const solana::signature& s,
                                                                     slot_t slot) const {
  OSVM_TRY(const auto row, impl_->status_row(s, slot));
  if (!row) return std::optional<solana::transaction_error>{};
  return solana::parse_meta_error(row->bytes());
}

result<std::optional<stored_status>> blockstore::find_status(
    const solana::signature& s, const std::function<bool(slot_t)>& accept) const {
  OSVM_TRY(auto it, impl_->db.iterate("transaction_status"));
  std::optional<std::pair<slot_t, rocksdb::value>> best;
  for (const auto& prefix :
       {keys::status_prefix(s), keys::old_status_prefix(0, s), keys::old_status_prefix(1, s)}) {
    for (it.seek(prefix); it.valid() && it.key().starts_with(prefix); it.next()) {
      if (it.key().size() != prefix.size() + 8) continue;
      const slot_t slot = keys::read_u64(it.key().substr(prefix.size()));
      if ((!best || slot > best->first) && accept(slot)) best.emplace(slot, it.value());
    }
    OSVM_CHECK(it.status());
    if (best && prefix.size() == 64) break;  // new keys: no old generation beside them
  }
  if (!best) {
    if (!it.lost().empty())
      return error(errc::lost, it.lost().front().file + " of column transaction_status is not readable");
    return std::optional<stored_status>{};
  }
  OSVM_TRY(auto made, make_status(best->first, std::move(best->second)));
  return std::optional(std::move(made));
}

const side_index* blockstore::index() const noexcept {
  return impl_->options.index.get();
}

result<std::optional<located_transaction>> blockstore::locate(const solana::signature& s, slot_t slot) const {
  std::optional<located_transaction> nothing;
  if (!impl_->options.index) return nothing;
  const auto found = impl_->options.index->find(s, slot);
  if (!found || !*found) return nothing;  // the index only saves work: where it fails, the block is read
  const auto& place = *found;
  if (place->size > solana::transaction_limits().max_size) return nothing;
  auto wire = std::make_shared<std::string>();
  wire->reserve(place->size);
  for (std::uint32_t i = place->shred; wire->size() < place->size; ++i) {
    OSVM_TRY(const auto row, impl_->db.get("data_shred", keys::shred(slot, i)));
    const auto shred = row ? parse_shred(row->bytes(), place->genesis_layout) : error(errc::lost);
    const std::size_t skip = i == place->shred ? place->offset : 0;
    if (!shred || shred->payload.size() < skip) return nothing;
    const auto part =
        shred->payload.subspan(skip, std::min(shred->payload.size() - skip, place->size - wire->size()));
    wire->append(reinterpret_cast<const char*>(part.data()), part.size());
    if (shred->ends_slot()) break;
  }
  located_transaction out{.slot = slot, .index = place->index, .wire = wire, .transaction = {}};
  const bool parsed =
      wire->size() == place->size && solana::parse_transaction(as_bytes(*wire), out.transaction);
  if (!parsed || out.transaction.signatures.empty() || out.transaction.signatures[0] != s) return nothing;
  return std::optional(std::move(out));
}

namespace {

// The side index's rows of one address, newest first, read as they are asked for: those of slots that the
// ledger has rows for are passed over, and so are those of an index that is older than the ledger, or another
// ledger's.
class indexed_history {
 public:
  using visitor = std::function<bool(const address_signature&)>;
  indexed_history(const blockstore& store, const solana::pubkey& address, slot_t from)
      : store_(store), address_(address), from_(from) {
    const auto* index = store.index();
    more_ = index && index->has_addresses();
  }
  // Rows of slots above `slot`, of which the ledger has rows itself; false when `visit` has enough.
  result<bool> visit_above(slot_t slot, const visitor& visit) {
    while (true) {
      OSVM_TRY(const auto* row, peek());
      if (!row || row->slot < slot) return true;
      if (row->slot > slot) {
        OSVM_TRY(const auto there, store_.locate(row->signature, row->slot));
        if (there && !visit(*row)) return false;
      }
      ++next_;
    }
  }
  result<> visit_rest(const visitor& visit) {
    while (true) {
      OSVM_TRY(const auto* row, peek());
      if (!row) return {};
      OSVM_TRY(const auto there, store_.locate(row->signature, row->slot));
      if (there && !visit(*row)) return {};
      ++next_;
    }
  }

 private:
  result<const address_signature*> peek() {
    if (next_ == rows_.size() && more_) OSVM_CHECK(read_more());
    return next_ < rows_.size() ? &rows_[next_] : nullptr;
  }
  // Whole slots, so that the next rows begin below the last one.
  result<> read_more() {
    rows_.clear();
    next_ = 0;
    more_ = false;
    OSVM_CHECK(store_.index()->signatures_of(address_, from_, [&](const address_signature& row) {
      if (rows_.size() >= history_chunk && row.slot != rows_.back().slot) return more_ = true, false;
      rows_.push_back(row);
      return true;
    }));
    if (more_) from_ = rows_.back().slot - 1;  // a lower slot follows: it is not 0
    return {};
  }

  const blockstore& store_;
  solana::pubkey address_;
  slot_t from_;
  std::vector<address_signature> rows_;
  std::size_t next_ = 0;
  bool more_ = false;
};

}  // namespace

result<> blockstore::signatures_of(const solana::pubkey& address, slot_t from,
                                   const std::function<bool(const address_signature&)>& visit) const {
  indexed_history indexed(*this, address, from);
  if (!impl_->db.has_column("address_signatures")) return indexed.visit_rest(visit);
  OSVM_TRY(auto it, impl_->db.iterate("address_signatures"));
  for (it.seek_for_prev(keys::address_end(address, from)); it.valid(); it.prev()) {
    const auto parsed = keys::read_address(it.key());
    if (!parsed || parsed->address != address) break;
    address_signature row{parsed->signature, parsed->slot, parsed->transaction_index,
                          it.value().text() == std::string_view("\x01", 1)};
    OSVM_TRY(const bool more, indexed.visit_above(row.slot, visit));
    if (!more || !visit(row)) return {};
  }
  OSVM_CHECK(it.status());
  // Old keys: two generations, which are disjoint in slots except around a purge; the newer slots first.
  std::vector<address_signature> old;
  for (const std::uint64_t primary : {0, 1}) {
    const auto prefix = keys::old_address_prefix(primary, address);
    for (it.seek_for_prev(keys::old_address_end(primary, address, from));
         it.valid() && it.key().starts_with(prefix); it.prev()) {
      const auto parsed = keys::read_old_address(it.key());
      if (!parsed) continue;
      old.push_back(
          {parsed->signature, parsed->slot, std::nullopt, it.value().text() == std::string_view("\x01", 1)});
      if (old.size() > max_history)
        return error(osvm::errc::limit_exceeded, "an address with more than 2^20 signatures");
    }
    OSVM_CHECK(it.status());
  }
  std::ranges::stable_sort(old, std::greater<>{}, &address_signature::slot);
  for (const auto& row : old) {
    OSVM_TRY(const bool more, indexed.visit_above(row.slot, visit));
    if (!more || !visit(row)) return {};
  }
  return indexed.visit_rest(visit);
}

result<std::optional<std::string>> blockstore::memo(const solana::signature& s, slot_t slot) const {
  if (!impl_->db.has_column("transaction_memos")) return std::optional<std::string>{};
  for (const auto& key : {keys::status(s, slot), keys::status_prefix(s)}) {
    OSVM_TRY(const auto row, impl_->db.get("transaction_memos", key));
    if (!row) continue;
    OSVM_TRY(auto text, parse_memo(row->bytes()));
    return std::optional(std::move(text));
  }
  return std::optional<std::string>{};
}

}  // namespace osvm::ledger
