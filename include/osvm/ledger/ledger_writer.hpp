// Makes a ledger folder that validators and this library read: docs/formats/blockstore.md.
#pragma once

#include <osvm/ledger/genesis.hpp>
#include <osvm/ledger/recorded_block.hpp>

#include <memory>

namespace osvm::ledger {

// Which encodings of `meta` and `index` a release reads without converting.
enum class ledger_release {
  agave_1_18,  // vectors
  agave_2_2,   // `index` as bits
  agave_3_1,   // `meta` as bits too
};
std::optional<ledger_release> parse_ledger_release(std::string_view name) noexcept;

struct ledger_writer_options {
  ledger_release release = ledger_release::agave_3_1;
  std::size_t buffer = 128 << 20;       // memory for rows before they go to disk
  bool merge = true;                    // false: leave overlapping table files
  std::uint64_t table_size = 64 << 20;  // of one table file
  bool durable = true;                  // false: nothing is synced, for what may be made again
  std::uint64_t ticks_per_slot = 64;    // of blocks that come without entries
  std::uint16_t shred_version = 0;
  bool roots = true;  // blocks are final whose source does not deny it
};

struct ledger_writer_stats {
  std::uint64_t blocks = 0, transactions = 0, statuses = 0, shreds = 0, bytes = 0;
  std::uint64_t without_entries = 0;  // blocks whose Proof of History the source did not have
  std::uint64_t partial = 0;          // blocks that came without their transactions: time, height, rewards
  std::uint64_t parents = 0;          // slots that hold nothing but the hash a block builds on
};

// Writes `folder`, which must not exist. Everything lies in a hidden folder beside it until finish() renames
// it: before that, or after a crash, there is no ledger. Not thread-safe.
class ledger_writer final {
 public:
  // Removes what a killed writer left for the same folder. errc::busy while another one writes it.
  static result<ledger_writer> create(const std::string& folder, ledger_writer_options options = {});
  ledger_writer(ledger_writer&&) noexcept;
  ledger_writer& operator=(ledger_writer&&) noexcept;
  // Removes everything, unless finish() succeeded.
  ~ledger_writer();

  // Blocks may come in any order, each slot once. errc::malformed for a block that contradicts itself or its
  // parent.
  result<> add(const recorded_block& block);
  result<> set_genesis(bytes_view genesis_bin);
  result<> finish();
  const ledger_writer_stats& stats() const noexcept;

  struct impl;

 private:
  explicit ledger_writer(std::unique_ptr<impl> i) noexcept;
  std::unique_ptr<impl> impl_;
};

}  // namespace osvm::ledger
