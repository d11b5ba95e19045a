#include <osvm/core/bytes.hpp>
#include <osvm/ledger/error.hpp>
#include <osvm/ledger/side_index.hpp>
#include <osvm/solana/hashing.hpp>
#include <osvm/solana/writable.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "keys.hpp"
#include "rocksdb/database_writer.hpp"

namespace osvm::ledger {
namespace {

constexpr const char *transactions_column = "osvm_transactions", *addresses_column = "osvm_addresses",
                     *slots_column = "osvm_slots";
constexpr std::size_t place_size = 17, slot_row_size = 1 + 32;
// More runs of rows than this and they are merged: each is looked through for every signature.
constexpr std::size_t max_runs = 4;

// A slot's row: what is known of its addresses, and the hash of its last data shred, which another block of
// the same slot has not.
enum class slot_addresses : char { left_out = 0, there = 1, in_ledger = 2 };
using known_slots = std::map<slot_t, std::string>;

bool suffices(slot_addresses there, index_addresses wanted) {
  if (wanted == index_addresses::none || there == slot_addresses::there) return true;
  return wanted == index_addresses::missing && there == slot_addresses::in_ledger;
}

template <class T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

std::string encode(const transaction_place& p) {
  std::string out;
  put(out, p.index), put(out, p.shred), put(out, p.offset), put(out, p.size);
  put(out, std::uint8_t{p.genesis_layout});
  return out;
}

result<transaction_place> decode(slot_t slot, bytes_view row) {
  if (row.size() != place_size) return error(errc::corrupt, "side index: a place of another size");
  transaction_place out{.slot = slot};
  std::memcpy(&out.index, row.data(), 4);
  std::memcpy(&out.shred, row.data() + 4, 4);
  std::memcpy(&out.offset, row.data() + 8, 4);
  std::memcpy(&out.size, row.data() + 12, 4);
  out.genesis_layout = row[16] != std::byte{0};
  return out;
}

class builder {
 public:
  builder(const blockstore& store, rocksdb::database_writer& to, const index_options& options)
      : store_(store), to_(to), options_(options) {}

  result<index_stats> run(const known_slots& known) {
    std::vector<slot_t> todo;
    result<> failure;
    OSVM_CHECK(store_.each_meta(0, [&](const slot_meta& m) {
      if (!m.full()) return true;
      const auto done = is_known(known, m);
      if (!done) return failure = done.error(), false;
      *done ? void(++stats_.known) : todo.push_back(m.slot);
      return true;
    }));
    OSVM_CHECK(failure);
    for (std::size_t i = 0; i < todo.size() && !stats_.stopped; ++i) {
      OSVM_CHECK(add_slot(todo[i]));
      if ((i + 1) % options_.slots_at_once == 0) OSVM_CHECK(to_.commit());
      stats_.stopped = options_.progress && !options_.progress(i + 1, todo.size());
    }
    OSVM_CHECK(stats_.stopped ? to_.commit() : to_.finish());
    return stats_;
  }

 private:
  result<> row(const char* column, std::string key, std::string value) {
    return to_.put(to_.column(column), std::move(key), std::move(value));
  }
  // Empty where the shred is not there.
  result<std::string> fingerprint(slot_t slot, std::uint64_t last_shred) const {
    OSVM_TRY(const auto shred, store_.database().get("data_shred", keys::shred(slot, last_shred)));
    if (!shred) return std::string{};
    const auto hash = solana::sha256(shred->bytes());
    return std::string(reinterpret_cast<const char*>(hash.data()), 32);
  }
  result<bool> is_known(const known_slots& known, const slot_meta& m) const {
    const auto at = known.find(m.slot);
    if (at == known.end() || at->second.size() != slot_row_size) return false;
    if (!suffices(static_cast<slot_addresses>(at->second[0]), options_.addresses)) return false;
    OSVM_TRY(const auto now, fingerprint(m.slot, *m.last_index));
    return at->second.substr(1) == now;
  }
  result<> add_slot(slot_t slot) {
    const auto b = store_.read_block(slot);
    if (!b) {
      ++stats_.unreadable;  // asked for again by the next build
      return {};
    }
    OSVM_TRY(const auto starts, payload_starts(slot, **b));
    const auto& list = (*b)->transactions();
    OSVM_TRY(const auto addresses, look_for_addresses(slot, **b));
    for (std::uint32_t i = 0; i < list.size(); ++i) {
      if (list[i].signatures.empty()) continue;
      const auto at = (*b)->offset(i);
      const auto shred = static_cast<std::size_t>(std::ranges::upper_bound(starts, at) - starts.begin()) - 1;
      const transaction_place place{.slot = slot,
                                    .index = i,
                                    .shred = static_cast<std::uint32_t>(shred),
                                    .offset = at - starts[shred],
                                    .size = static_cast<std::uint32_t>(list[i].size),
                                    .genesis_layout = (*b)->genesis_layout()};
      OSVM_CHECK(row(transactions_column, keys::status(list[i].signatures[0], slot), encode(place)));
      if (addresses == slot_addresses::there) OSVM_CHECK(add_addresses(slot, i, list[i]));
    }
    OSVM_TRY(const auto shred, fingerprint(slot, starts.size() - 1));
    OSVM_CHECK(row(slots_column, keys::slot(slot), std::string(1, static_cast<char>(addresses)) + shred));
    ++stats_.slots;
    stats_.transactions += list.size();
    return {};
  }

  // Where each shred's payload begins in the block's bytes.
  result<std::vector<std::uint32_t>> payload_starts(slot_t slot, const block& b) const {
    std::vector<std::uint32_t> out;
    OSVM_TRY(auto it, store_.database().iterate("data_shred"));
    std::uint32_t at = 0;
    for (it.seek(keys::shred(slot, 0)); it.valid() && out.size() < b.shreds(); it.next()) {
      OSVM_TRY(const auto s, parse_shred(it.value().bytes(), b.genesis_layout()));
      if (s.slot != slot || s.index != out.size()) break;
      out.push_back(at);
      at += static_cast<std::uint32_t>(s.payload.size());
    }
    OSVM_CHECK(it.status());
    if (out.size() != b.shreds() || out.empty())
      return error(errc::incomplete,
                   "slot " + std::to_string(slot) + ": its shreds changed while it was read");
    return out;
  }

  result<slot_addresses> look_for_addresses(slot_t slot, const block& b) const {
    if (b.transactions().empty()) return slot_addresses::there;
    if (options_.addresses == index_addresses::none) return slot_addresses::left_out;
    if (options_.addresses == index_addresses::all) return slot_addresses::there;
    const auto& first = b.transactions()[0];
    if (first.message.keys.empty()) return slot_addresses::left_out;
    bool there = false;
    OSVM_CHECK(store_.signatures_of(first.message.keys[0], slot, [&](const address_signature& s) {
      there = s.slot == slot;
      return false;
    }));
    return there ? slot_addresses::in_ledger : slot_addresses::there;
  }

  result<> add_addresses(slot_t slot, std::uint32_t index, const solana::transaction_view& tx) {
    OSVM_TRY(const auto status, store_.status(tx.signatures[0], slot));  // knows the loaded addresses
    const auto* meta = status ? &status->meta : nullptr;
    const solana::account_keys all(tx.message.keys, meta);
    for (std::size_t i = 0; i < all.size(); ++i)
      OSVM_CHECK(row(addresses_column, keys::address(*all.find(i), slot, index, tx.signatures[0]),
                     std::string(1, solana::is_writable(tx.message, meta, i) ? '\1' : '\0')));
    stats_.addresses += all.size();
    return {};
  }

  const blockstore& store_;
  rocksdb::database_writer& to_;
  const index_options& options_;
  index_stats stats_;
};

result<known_slots> read_known_slots(const std::string& folder) {
  known_slots out;
  const auto db = rocksdb::database::open(folder);
  if (!db && db.error().code == errc::not_a_ledger) return out;  // nothing was committed yet
  if (!db) return db.error();
  if (!db->has_column(slots_column))
    return error(osvm::errc::invalid_argument, folder + " holds another database, not a side index");
  OSVM_TRY(auto it, db->iterate(slots_column));
  for (it.seek_first(); it.valid(); it.next())
    if (it.key().size() == 8) out.emplace(keys::read_u64(it.key()), it.value().text());
  OSVM_CHECK(it.status());
  return out;
}

}  // namespace

result<index_stats> build_side_index(const blockstore& store, const std::string& folder,
                                     const index_options& options) {
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return errno_error(folder);
  const unique_fd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) return errno_error(folder);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return error(osvm::errc::busy, "another process builds the side index in " + folder);
  OSVM_TRY(const auto known, read_known_slots(folder));
  OSVM_TRY(auto to,
           rocksdb::database_writer::open(folder, {transactions_column, addresses_column, slots_column},
                                          {.buffer = options.buffer, .max_runs = max_runs}));
  return builder(store, to, options).run(known);
}

side_index::side_index(rocksdb::database db) : db_(std::move(db)) {}
side_index::side_index(side_index&&) noexcept = default;
side_index& side_index::operator=(side_index&&) noexcept = default;
side_index::~side_index() = default;

result<side_index> side_index::open(const std::string& folder) {
  OSVM_TRY(auto db, rocksdb::database::open(folder));
  if (!db.has_column(transactions_column) || !db.has_column(addresses_column))
    return error(osvm::errc::invalid_argument, folder + " holds another database, not a side index");
  side_index out(std::move(db));
  OSVM_TRY(auto rows, out.db_.iterate(addresses_column));
  rows.seek_first();
  OSVM_CHECK(rows.status());
  out.addresses_ = rows.valid();
  return out;
}

bool side_index::has_addresses() const noexcept {
  return addresses_;
}

result<bool> side_index::covers(slot_t slot) const {
  OSVM_TRY(const auto row, db_.get(slots_column, keys::slot(slot)));
  return row.has_value();
}

result<std::optional<transaction_place>> side_index::find(const solana::signature& s, slot_t slot) const {
  OSVM_TRY(const auto row, db_.get(transactions_column, keys::status(s, slot)));
  if (!row) return std::optional<transaction_place>{};
  OSVM_TRY(const auto place, decode(slot, row->bytes()));
  return std::optional(place);
}

result<std::optional<transaction_place>> side_index::find(const solana::signature& s,
                                                          const std::function<bool(slot_t)>& accept) const {
  const auto prefix = keys::status_prefix(s);
  std::optional<transaction_place> best;
  OSVM_TRY(auto it, db_.iterate(transactions_column));
  for (it.seek(prefix); it.valid() && it.key().starts_with(prefix) && it.key().size() == prefix.size() + 8;
       it.next()) {
    const slot_t slot = keys::read_u64(it.key().substr(prefix.size()));
    if (!accept(slot)) continue;
    OSVM_TRY(best, decode(slot, it.value().bytes()));
  }
  OSVM_CHECK(it.status());
  return best;
}

result<> side_index::signatures_of(const solana::pubkey& address, slot_t from,
                                   const std::function<bool(const address_signature&)>& visit) const {
  OSVM_TRY(auto it, db_.iterate(addresses_column));
  for (it.seek_for_prev(keys::address_end(address, from)); it.valid(); it.prev()) {
    const auto parsed = keys::read_address(it.key());
    if (!parsed || parsed->address != address) break;
    if (!visit({parsed->signature, parsed->slot, parsed->transaction_index,
                it.value().text() == std::string_view("\x01", 1)}))
      return {};
  }
  return it.status();
}

}  // namespace osvm::ledger
