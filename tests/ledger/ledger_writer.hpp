// Writes small ledgers with librocksdb, as validators write theirs.
#pragma once

#include <osvm/solana/hashing.hpp>
#include <osvm/solana/transaction.hpp>

#include "ledger/keys.hpp"
#include "rocksdb_support.hpp"

namespace osvm::ledger::test {

template <class T>
inline void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

// Writes a ledger as a validator does; `old_keys` as validators before 2.0 did.
class ledger_writer {
 public:
  explicit ledger_writer(const std::string& path, bool old_keys = false) : old_(old_keys) {
    ::rocksdb::Options options;
    options.create_if_missing = options.create_missing_column_families = true;
    std::vector<::rocksdb::ColumnFamilyDescriptor> all;
    for (const char* n : names) all.emplace_back(n, options);
    ::rocksdb::DB* db = nullptr;
    must(::rocksdb::DB::Open(options, path, all, &handles_, &db));
    db_.reset(db);
  }
  ~ledger_writer() {
    for (auto* h : handles_) (void)db_->DestroyColumnFamilyHandle(h);
  }
  void row(std::string_view column, const std::string& key, const std::string& value) {
    for (std::size_t i = 0; i < std::size(names); ++i)
      if (column == names[i]) must(db_->Put({}, handles_[i], key, value));
  }
  void block(slot_t slot, slot_t parent, const std::vector<std::string>& transactions) {
    std::string batch;
    put<std::uint64_t>(batch, 1);
    put<std::uint64_t>(batch, 1);
    batch.append(reinterpret_cast<const char*>(solana::sha256(as_bytes(std::to_string(slot))).data()), 32);
    put<std::uint64_t>(batch, transactions.size());
    for (const auto& t : transactions) batch += t;
    std::string shred(64, 's');
    shred.push_back('\xa5');
    put<std::uint64_t>(shred, slot);
    put<std::uint32_t>(shred, 0);
    put<std::uint16_t>(shred, 1);
    put<std::uint32_t>(shred, 0);
    put<std::uint16_t>(shred, static_cast<std::uint16_t>(slot - parent));
    put<std::uint8_t>(shred, 0xc0);
    put<std::uint16_t>(shred, static_cast<std::uint16_t>(88 + batch.size()));
    row("data_shred", keys::shred(slot, 0), shred + batch);
    std::string meta;
    for (const std::uint64_t v : {slot, slot_t{1}, slot_t{1}, slot_t{0}, slot_t{0}, parent, slot_t{0}})
      put(meta, v);
    meta.push_back('\1');
    put<std::uint64_t>(meta, 0);
    std::string time, height;
    put<std::int64_t>(time, 1700000000 + static_cast<std::int64_t>(slot));
    put<std::uint64_t>(height, slot);
    row("blocktime", keys::slot(slot), time);
    row("block_height", keys::slot(slot), height);
    for (const auto& t : transactions) status(slot, t);
    // Readers beside the writer see rows in this order: what makes a block final comes last.
    row("meta", keys::slot(slot), meta);
    row("root", keys::slot(slot), "\1");
  }

  bool histories = true;  // whether transactions are noted by address

 private:
  void status(slot_t slot, const std::string& wire) {
    solana::transaction_view tx;
    ASSERT_TRUE(solana::parse_transaction(as_bytes(wire), tx));
    const std::string meta("\x10\x88\x27\x1a\x03\x05\x06\x07\x22\x03\x05\x06\x07", 13);
    const auto& s = tx.signatures[0];
    row("transaction_status", old_ ? keys::old_status(0, s, slot) : keys::status(s, slot), meta);
    for (const auto& k : tx.message.keys) {
      std::string key;
      if (old_) keys::append_u64(key, 0);
      keys::append(key, k);
      keys::append_u64(key, slot);
      if (!old_) key += std::string(4, '\0');
      keys::append(key, s);
      if (!histories) continue;
      row("address_signatures", key, std::string(1, '\1'));
    }
  }
  static constexpr const char* names[] = {"default",
                                          "meta",
                                          "root",
                                          "dead_slots",
                                          "data_shred",
                                          "transaction_status",
                                          "address_signatures",
                                          "rewards",
                                          "blocktime",
                                          "block_height"};
  bool old_;
  std::unique_ptr<::rocksdb::DB> db_;
  std::vector<::rocksdb::ColumnFamilyHandle*> handles_;
};

}  // namespace osvm::ledger::test
