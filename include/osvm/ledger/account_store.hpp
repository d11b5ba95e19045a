// Every account of a snapshot, or of files that the Solana CLI dumped, in memory: by address and by owner.
#pragma once

#include <osvm/ledger/snapshot.hpp>
#include <osvm/solana/account.hpp>

#include <memory>

namespace osvm::ledger {

struct account_limits {
  std::size_t max_bytes = 8ULL << 30;  // of accounts kept; a larger snapshot is refused by name
  std::size_t max_json = 64 << 20;     // of one dumped file
};

struct stored_account {
  solana::pubkey address;
  solana::account_view view;
  slot_t slot = 0;  // of the storage it was in; 0 for dumped files
};

struct dumped_account {
  stored_account account;  // without its data's view
  std::string data;
};
// An account as the Solana CLI dumps it, {"pubkey":…,"account":{…}}, or an array of such.
result<std::vector<dumped_account>> parse_account_dump(std::string_view text);

// Move-only, immutable after load(): any number of threads may read it. What it gives lives as long as it.
class account_store final {
 public:
  // Each path is a snapshot archive (.tar, .tar.zst, .tar.lz4), a dumped account (.json, one or an array), or
  // a folder: of it all dumped accounts (other JSON files are passed over), the newest full archive and the
  // newest incremental one on top of that. A later path wins over an earlier one where neither knows a slot.
  static result<account_store> load(const std::vector<std::string>& paths, account_limits limits = {});
  account_store(account_store&&) noexcept;
  account_store& operator=(account_store&&) noexcept;
  ~account_store();

  // Null when there is none.
  const stored_account* find(const solana::pubkey& address) const noexcept;
  // In the order of addresses.
  std::vector<const stored_account*> owned_by(const solana::pubkey& owner) const;
  std::vector<const stored_account*> all() const;
  std::size_t size() const noexcept;
  // Of the newest snapshot; null where only files were loaded.
  const bank_fields* bank() const noexcept;
  slot_t slot() const noexcept;
  // Of the archives that were loaded, by their names.
  struct archive_slots {
    std::optional<slot_t> full{}, incremental{};
  };
  archive_slots archives() const noexcept;
  // The Clock sysvar's, or 0.
  std::int64_t unix_timestamp() const noexcept;
  // What decoding `account` takes: its mint and the time.
  solana::account_context context_of(const stored_account& account) const;
  std::optional<solana::token_mint> mint(const solana::pubkey& address) const;

  struct impl;

 private:
  explicit account_store(std::unique_ptr<impl> i) noexcept;
  std::unique_ptr<impl> impl_;
};

}  // namespace osvm::ledger
