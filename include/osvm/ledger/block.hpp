// A block put together again from its shreds: entries and transactions, and the check of its Proof of
// History.
#pragma once

#include <osvm/ledger/shred.hpp>
#include <osvm/solana/transaction.hpp>

#include <memory>
#include <string>
#include <vector>

namespace osvm::ledger {

struct entry {
  std::uint64_t num_hashes = 0;
  solana::hash hash{};
  std::uint32_t first_transaction = 0, transactions = 0;  // indexes into the block's

  friend bool operator==(const entry&, const entry&) = default;
};

// Where a transaction begins: offset into the block's concatenated payloads.
struct block_limits {
  std::size_t max_shreds = 65536;
  std::size_t max_transactions = 1 << 20;
  std::size_t max_entries = 1 << 20;
};

// Owns its bytes; transactions are views into them. Move-only, immutable after build().
class block final {
 public:
  block() = default;
  block(block&&) noexcept = default;
  block& operator=(block&&) noexcept = default;

  const std::vector<entry>& entries() const noexcept { return entries_; }
  const std::vector<solana::transaction_view>& transactions() const noexcept { return transactions_; }
  bytes_view wire(std::size_t transaction) const noexcept;
  std::uint32_t offset(std::size_t transaction) const noexcept { return offsets_[transaction]; }
  // The last entry's hash; all zero for an empty block.
  solana::hash blockhash() const noexcept { return entries_.empty() ? solana::hash{} : entries_.back().hash; }
  std::size_t shreds() const noexcept { return shreds_; }
  slot_t parent() const noexcept { return parent_; }
  bool genesis_layout() const noexcept { return genesis_; }
  bytes_view bytes() const noexcept { return as_bytes(*bytes_); }

  // `shreds` are the data shreds 0..n of one slot, in order; the last one ends the slot. They are copied.
  static result<block> build(std::span<const bytes_view> shreds, block_limits limits = {});
  // One batch of entries as it lies in shreds' payloads.
  static result<block> from_batch(std::string bytes, block_limits limits = {});

 private:
  result<> decode(std::span<const std::size_t> batch_ends, const block_limits& limits);
  result<> decode_batch(std::size_t from, std::size_t to, const block_limits& limits);

  std::unique_ptr<std::string> bytes_ = std::make_unique<std::string>();
  std::vector<entry> entries_;
  std::vector<solana::transaction_view> transactions_;
  std::vector<std::uint32_t> offsets_;
  std::size_t shreds_ = 0;
  slot_t parent_ = 0;
  bool genesis_ = false;
};

// Checks the entries `from`..`to` of `b` against each other; `start` is the hash before entry 0 (the parent's
// blockhash). Gives the index of the first entry that does not follow, or `to`. Ranges may be checked in
// parallel.
std::size_t verify_poh(const block& b, const solana::hash& start, std::size_t from, std::size_t to);
// Entry indexes that divide `b` into at most `parts` ranges of about as many hashes: 0, …, the entries'
// number.
std::vector<std::size_t> split_by_hashes(const block& b, std::size_t parts);

}  // namespace osvm::ledger
