// What a ledger does not keep: where in its slot each transaction lies and, where the ledger has no such
// rows, which transactions an address took part in. Lies in a folder of its own, outside the ledger's, which
// is never written. docs/formats/side-index.md.
#pragma once

#include <osvm/ledger/blockstore.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace osvm::ledger {

struct transaction_place {
  slot_t slot = 0;
  std::uint32_t index = 0;              // in its block
  std::uint32_t shred = 0, offset = 0;  // where it begins: a data shred, and a byte of that shred's payload
  std::uint32_t size = 0;
  bool genesis_layout = false;
};

enum class index_addresses {
  missing,  // of slots for which the ledger has no rows
  all,
  none,
};

struct index_options {
  index_addresses addresses = index_addresses::missing;
  std::size_t buffer = 64 << 20;     // memory for rows
  std::size_t slots_at_once = 1024;  // after so many what is done so far is safe from a crash
  // Called after each slot; false stops: what is done so far stays, and the next build goes on from there.
  std::function<bool(std::uint64_t slots, std::uint64_t of)> progress{};
};

struct index_stats {
  std::uint64_t slots = 0, transactions = 0, addresses = 0;  // added by this build
  std::uint64_t known = 0;                                   // slots that were there already
  std::uint64_t unreadable = 0;                              // full slots whose block could not be read
  bool stopped = false;
};

// Adds what `store` has and the index in `folder` lacks. Makes the folder where it is not there. errc::busy
// while another process builds it; errc::invalid_argument for a folder that holds something else.
result<index_stats> build_side_index(const blockstore& store, const std::string& folder,
                                     const index_options& options = {});

// Thread-safe.
class side_index final {
 public:
  static result<side_index> open(const std::string& folder);
  side_index(side_index&&) noexcept;
  side_index& operator=(side_index&&) noexcept;
  ~side_index();

  // In the highest slot that `accept` takes.
  result<std::optional<transaction_place>> find(const solana::signature& s,
                                                const std::function<bool(slot_t)>& accept) const;
  result<std::optional<transaction_place>> find(const solana::signature& s, slot_t slot) const;
  // As blockstore::signatures_of().
  result<> signatures_of(const solana::pubkey& address, slot_t from,
                         const std::function<bool(const address_signature&)>& visit) const;
  bool has_addresses() const noexcept;
  result<bool> covers(slot_t slot) const;

 private:
  explicit side_index(rocksdb::database db);
  rocksdb::database db_;
  bool addresses_ = false;
};

}  // namespace osvm::ledger
