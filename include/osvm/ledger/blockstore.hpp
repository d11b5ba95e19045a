// A validator's ledger folder, opened read-only: slots, blocks, statuses, histories. Works beside the
// validator and on ledgers of every release. docs/formats/blockstore.md.
#pragma once

#include <osvm/ledger/block.hpp>
#include <osvm/ledger/error.hpp>
#include <osvm/ledger/rocksdb.hpp>
#include <osvm/ledger/slot_meta.hpp>
#include <osvm/solana/meta.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace osvm::ledger {

// What a ledger covers at one moment. Absent: no such row.
struct ledger_bounds {
  std::optional<slot_t> lowest{}, highest{};        // rows in `meta` with a shred
  std::optional<slot_t> highest_full{};             // `processed`
  std::optional<slot_t> first_root{}, last_root{};  // `finalized`
  std::optional<slot_t> last_confirmed{};           // `confirmed`, by optimistic confirmation
  slot_t first_available = 0;             // the first block that can be served with its parent's hash
  std::set<slot_t> confirmed_unrooted{};  // ancestors of last_confirmed behind last_root
};

// A recorded status and the bytes that its views lie in.
struct stored_status {
  slot_t slot = 0;
  rocksdb::value bytes;
  solana::transaction_meta meta;
};

struct stored_rewards {
  rocksdb::value bytes;
  solana::block_rewards rewards;
};

struct address_signature {
  solana::signature signature;
  slot_t slot = 0;
  std::optional<std::uint32_t> transaction_index{};  // old ledgers do not record it
  bool writable = false;
};

struct found_transaction {
  slot_t slot = 0;
  std::shared_ptr<const block> in;
  std::size_t index = 0;
  stored_status status;
};

class side_index;

// One transaction alone, without its block.
struct located_transaction {
  slot_t slot = 0;
  std::size_t index = 0;
  std::shared_ptr<const std::string> wire;
  solana::transaction_view transaction;  // into `wire`
};

struct blockstore_options {
  rocksdb::database_options database{};
  block_limits block{};
  std::size_t cached_blocks = 4;  // blocks kept decoded
  // Answers what the ledger's own rows cannot, or not as fast: side_index.hpp.
  std::shared_ptr<const side_index> index{};
};

// Thread-safe. Everything is read when asked for; refresh() takes over what a running validator has added.
class blockstore final {
 public:
  // The ledger folder (that holds `rocksdb` or `rocksdb_fifo`) or the database folder itself.
  static result<blockstore> open(const std::string& folder, blockstore_options options = {});
  blockstore(blockstore&&) noexcept;
  blockstore& operator=(blockstore&&) noexcept;
  ~blockstore();

  const rocksdb::database& database() const noexcept;
  result<bool> refresh();
  // Computed once per refresh.
  std::shared_ptr<const ledger_bounds> bounds() const;

  // Nothing when there is no row.
  result<std::optional<slot_meta>> meta(slot_t slot) const;
  result<bool> is_root(slot_t slot) const;
  result<bool> is_dead(slot_t slot) const;
  result<std::optional<std::int64_t>> block_time(slot_t slot) const;
  result<std::optional<std::uint64_t>> block_height(slot_t slot) const;
  result<std::optional<stored_rewards>> rewards(slot_t slot) const;
  // Roots from `from` to `to`, both included, at most `limit`, ascending.
  result<std::vector<slot_t>> roots(slot_t from, slot_t to, std::size_t limit) const;
  // Visits rows of `meta` from `from` on until `visit` gives false.
  result<> each_meta(slot_t from, const std::function<bool(const slot_meta&)>& visit) const;
  // Newest first.
  result<std::vector<std::pair<slot_t, perf_sample>>> perf_samples(std::size_t limit) const;

  // The block of `slot`: errc::skipped, errc::dead, errc::incomplete, errc::lost. Recent ones are kept
  // decoded.
  result<std::shared_ptr<const block>> read_block(slot_t slot) const;
  // The blockhash alone; reads the whole block if need be.
  result<solana::hash> blockhash(slot_t slot) const;

  // The status of a signature, which is in exactly one slot of a chain. `slot` as a hint reads one row.
  result<std::optional<stored_status>> status(const solana::signature& s, slot_t slot) const;
  // Why the transaction failed, which is all of its status that a history needs; nothing when it did not, or
  // has no status.
  result<std::optional<solana::transaction_error>> failure(const solana::signature& s, slot_t slot) const;
  // Of the highest slot that `accept` takes (all of them: any).
  result<std::optional<stored_status>> find_status(const solana::signature& s,
                                                   const std::function<bool(slot_t)>& accept) const;
  // The transaction of a signature in `slot`, read from the few shreds that it lies in. Nothing without a
  // side index that knows it, or where the shreds say otherwise.
  result<std::optional<located_transaction>> locate(const solana::signature& s, slot_t slot) const;
  const side_index* index() const noexcept;
  // Newest first, from just before (`slot`, `index`) on, until `visit` gives false.
  result<> signatures_of(const solana::pubkey& address, slot_t from,
                         const std::function<bool(const address_signature&)>& visit) const;
  result<std::optional<std::string>> memo(const solana::signature& s, slot_t slot) const;

  struct impl;

 private:
  explicit blockstore(std::unique_ptr<impl> i) noexcept;
  std::unique_ptr<impl> impl_;
};

}  // namespace osvm::ledger
