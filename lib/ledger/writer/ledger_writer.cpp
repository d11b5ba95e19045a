#include <osvm/ledger/error.hpp>
#include <osvm/ledger/ledger_writer.hpp>

#include <map>

#include "ledger/rocksdb/database_writer.hpp"
#include "rows.hpp"
#include "shredder.hpp"
#include "staging.hpp"

namespace osvm::ledger {
namespace {

// What validators of all supported releases open; a missing one would be made by them.
const std::vector<std::string>& column_names() {
  static const std::vector<std::string> names{"meta",
                                              "dead_slots",
                                              "duplicate_slots",
                                              "erasure_meta",
                                              "orphans",
                                              "bank_hashes",
                                              "root",
                                              "index",
                                              "data_shred",
                                              "code_shred",
                                              "transaction_status",
                                              "address_signatures",
                                              "rewards",
                                              "transaction_memos",
                                              "blocktime",
                                              "perf_samples",
                                              "block_height",
                                              "optimistic_slots",
                                              "merkle_root_meta"};
  return names;
}

error bad(slot_t slot, std::string what) {
  return {osvm::errc::malformed, "slot " + std::to_string(slot) + ": " + std::move(what)};
}

std::string number_row(std::uint64_t v) {
  return {reinterpret_cast<const char*>(&v), sizeof v};
}

}  // namespace

std::optional<ledger_release> parse_ledger_release(std::string_view name) noexcept {
  if (name == "1.18") return ledger_release::agave_1_18;
  if (name == "2.2") return ledger_release::agave_2_2;
  if (name == "3.1") return ledger_release::agave_3_1;
  return std::nullopt;
}

struct ledger_writer::impl {
  struct known_slot {
    slot_t parent = 0;
    solana::hash blockhash{}, last_root{};
    std::uint32_t shreds = 0;
    std::int64_t time = 0;
    std::vector<std::uint32_t> batch_ends;
  };
  struct known_hash {
    slot_t slot = 0;  // whose block says so
    solana::hash hash{};
  };

  impl(staging_folder f, rocksdb::database_writer d, ledger_writer_options o)
      : folder(std::move(f)), db(std::move(d)), options(o) {}

  staging_folder folder;
  rocksdb::database_writer db;
  ledger_writer_options options;
  ledger_writer_stats stats;
  std::map<slot_t, known_slot> slots;
  std::map<slot_t, known_hash> parents;  // hashes of slots as their children name them
  std::vector<slot_t> partial;

  result<> row(std::string_view column, std::string key, std::string value) {
    return db.put(db.column(column), std::move(key), std::move(value));
  }
  result<> check(const recorded_block& b) const;
  result<> add_shreds(const recorded_block& b, bool root);
  result<> add_facts(const recorded_block& b);
  result<> add_transactions(const recorded_block& b);
  result<> add_missing_parents();
  result<> add_metas();
};

result<> ledger_writer::impl::check(const recorded_block& b) const {
  if (slots.contains(b.slot)) return bad(b.slot, "came before");
  if (const auto at = parents.find(b.slot); at != parents.end() && at->second.hash != b.blockhash)
    return bad(b.slot, "its blockhash is not the one that slot " + std::to_string(at->second.slot) +
                           " builds on: blocks of two forks");
  const auto parent = slots.find(b.parent);
  if (b.slot != 0 && b.previous_blockhash && parent != slots.end() &&
      parent->second.blockhash != *b.previous_blockhash)
    return bad(b.slot,
               "builds on another block of slot " + std::to_string(b.parent) + ": blocks of two forks");
  if (const auto at = parents.find(b.parent); at != parents.end() && b.slot != b.parent &&
                                              b.previous_blockhash &&
                                              at->second.hash != *b.previous_blockhash)
    return bad(b.slot, "builds on another block of slot " + std::to_string(b.parent) + " than slot " +
                           std::to_string(at->second.slot) + " does: blocks of two forks");
  if (!b.entries.empty() && b.entries.back().hash != b.blockhash)
    return bad(b.slot, "its last entry is not its blockhash");
  return {};
}

result<> ledger_writer::impl::add_shreds(const recorded_block& b, bool root) {
  const auto parent = slots.find(b.parent);
  OSVM_TRY(auto made, shred_block(b, options.shred_version,
                                  parent == slots.end() ? solana::hash{} : parent->second.last_root));
  for (std::size_t i = 0; i < made.shreds.size(); ++i)
    OSVM_CHECK(row("data_shred", keys::shred(b.slot, i), std::move(made.shreds[i])));
  stats.shreds += made.shreds.size();
  if (root) OSVM_CHECK(row("root", keys::slot(b.slot), "\1"));
  slots[b.slot] = {b.parent,           b.blockhash,
                   made.last_root,     static_cast<std::uint32_t>(made.shreds.size()),
                   b.time.value_or(0), std::move(made.batch_ends)};
  return {};
}

result<> ledger_writer::impl::add_facts(const recorded_block& b) {
  if (b.time)
    OSVM_CHECK(row("blocktime", keys::slot(b.slot), number_row(static_cast<std::uint64_t>(*b.time))));
  if (b.height) OSVM_CHECK(row("block_height", keys::slot(b.slot), number_row(*b.height)));
  if (b.rewards) OSVM_CHECK(row("rewards", keys::slot(b.slot), *b.rewards));
  return {};
}

result<> ledger_writer::impl::add_transactions(const recorded_block& b) {
  for (std::size_t i = 0; i < b.transactions.size(); ++i) {
    const auto& t = b.transactions[i];
    OSVM_TRY(auto made, rows_of(t, b.slot, static_cast<std::uint32_t>(i)));
    if (t.meta) OSVM_CHECK(row("transaction_status", std::move(made.status_key), *t.meta));
    stats.statuses += t.meta.has_value();
    for (auto& [key, writable] : made.addresses)
      OSVM_CHECK(row("address_signatures", std::move(key), std::string(1, writable ? '\1' : '\0')));
    if (made.memo) OSVM_CHECK(row("transaction_memos", std::move(made.memo_key), std::move(*made.memo)));
  }
  stats.transactions += b.transactions.size();
  return {};
}

// The hash that a block builds on is kept as its parent slot's only entry, so that the block can be served.
// Not final, so that it is never taken for a block; but the lowest one is, as validators pass the first root
// over.
result<> ledger_writer::impl::add_missing_parents() {
  const auto lowest = slots.empty() ? 0 : slots.begin()->first;
  for (const auto& [slot, known] : parents) {
    if (slots.contains(slot)) continue;
    recorded_block stub{.slot = slot, .parent = slot ? slot - 1 : 0, .blockhash = known.hash};
    stub.entries.push_back({0, known.hash, 0});
    OSVM_CHECK(add_shreds(stub, options.roots && slot < lowest));
    ++stats.parents;
  }
  return {};
}

result<> ledger_writer::impl::add_metas() {
  std::map<slot_t, std::vector<slot_t>> children;
  for (const auto& [slot, s] : slots)
    if (slot != s.parent && slots.contains(s.parent)) children[s.parent].push_back(slot);
  for (const auto& [slot, s] : slots) {
    const slot_row facts{slot, s.parent, s.shreds, s.time, &children[slot], &s.batch_ends};
    OSVM_CHECK(row("meta", keys::slot(slot), meta_row(facts, options.release)));
    OSVM_CHECK(row("index", keys::slot(slot), index_row(facts, options.release)));
  }
  return {};
}

ledger_writer::ledger_writer(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
ledger_writer::ledger_writer(ledger_writer&&) noexcept = default;
ledger_writer& ledger_writer::operator=(ledger_writer&&) noexcept = default;
ledger_writer::~ledger_writer() = default;

result<ledger_writer> ledger_writer::create(const std::string& folder, ledger_writer_options options) {
  OSVM_TRY(auto staging, staging_folder::create(folder));
  OSVM_CHECK(staging.make("rocksdb"));
  OSVM_TRY(auto db, rocksdb::database_writer::open(staging.path() + "/rocksdb", column_names(),
                                                   {.buffer = options.buffer,
                                                    .table_size = options.table_size,
                                                    .durable = options.durable,
                                                    .merge = options.merge}));
  return ledger_writer(std::make_unique<impl>(std::move(staging), std::move(db), options));
}

result<> ledger_writer::add(const recorded_block& given) {
  auto& i = *impl_;
  OSVM_CHECK(i.check(given));
  OSVM_CHECK(i.add_facts(given));
  const bool root = i.options.roots && given.final;
  if (!given.whole) {
    ++i.stats.partial;
    if (root) i.partial.push_back(given.slot);
    return {};
  }
  if (given.entries.empty()) {
    recorded_block with_ticks = given;
    add_unproven_entries(with_ticks, i.options.ticks_per_slot);
    ++i.stats.without_entries;
    OSVM_CHECK(i.add_shreds(with_ticks, root));
  } else {
    OSVM_CHECK(i.add_shreds(given, root));
  }
  OSVM_CHECK(i.add_transactions(given));
  if (given.previous_blockhash && given.slot != given.parent)
    i.parents.insert_or_assign(given.parent, impl::known_hash{given.slot, *given.previous_blockhash});
  ++i.stats.blocks;
  i.stats.bytes = i.db.bytes_written() + i.db.buffered();
  return {};
}

result<> ledger_writer::set_genesis(bytes_view genesis_bin) {
  OSVM_CHECK(parse_genesis(genesis_bin));
  return impl_->folder.write("genesis.bin", genesis_bin);
}

result<> ledger_writer::finish() {
  auto& i = *impl_;
  OSVM_CHECK(i.add_missing_parents());
  OSVM_CHECK(i.add_metas());
  // Final slots whose shreds the source did not have are known to be final all the same.
  for (const auto slot : i.partial)
    if (!i.slots.contains(slot)) OSVM_CHECK(i.row("root", keys::slot(slot), "\1"));
  OSVM_CHECK(i.db.finish());
  i.stats.bytes = i.db.bytes_written();
  return i.folder.publish();
}

const ledger_writer_stats& ledger_writer::stats() const noexcept {
  return impl_->stats;
}

}  // namespace osvm::ledger
