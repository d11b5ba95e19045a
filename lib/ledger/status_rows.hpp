// Rows that say what became of transactions, and blocks' rewards: protobuf, before release 1.5 bincode.
#pragma once

#include <osvm/ledger/rocksdb.hpp>
#include <osvm/solana/meta.hpp>

#include <memory>
#include <string>
#include <utility>

#include "keys.hpp"

namespace osvm::ledger {

// Parses a row; where that fails, once more as what validators wrote before protobuf: `row` is that then.
template <class Parse, class Rewrite>
auto parse_row(rocksdb::value& row, const Parse& parse, const Rewrite& rewrite) {
  auto parsed = parse(row.bytes());
  if (parsed) return parsed;
  auto message = rewrite(row.bytes());
  if (!message) return parsed;
  const auto owner = std::make_shared<const std::string>(std::move(*message));
  row = {owner, as_bytes(*owner)};
  return parse(row.bytes());
}

// The statuses of many transactions, by look-ups that share what they prepare. Not thread-safe.
class status_rows final {
 public:
  static result<status_rows> open(const rocksdb::database& from) {
    OSVM_TRY(auto rows, from.read("transaction_status"));
    return status_rows(std::move(rows));
  }
  result<std::optional<rocksdb::value>> row(const solana::signature& s, std::uint64_t slot) {
    OSVM_TRY(auto found, rows_.get(keys::status(s, slot)));
    for (const std::uint64_t primary : {0, 1}) {
      if (found) break;
      OSVM_TRY(found, rows_.get(keys::old_status(primary, s, slot)));
    }
    return found;
  }
  // Null where there is none. Good until the next call.
  result<const solana::transaction_meta*> meta(const solana::signature& s, std::uint64_t slot) {
    OSVM_TRY(auto found, row(s, slot));
    const solana::transaction_meta* out = nullptr;
    if (!found) return out;
    row_ = std::move(*found);
    const auto parse = [this](bytes_view bytes) { return solana::read_transaction_meta(bytes, meta_); };
    OSVM_CHECK(parse_row(row_, parse, solana::rewrite_old_meta));
    out = &meta_;
    return out;
  }

 private:
  explicit status_rows(rocksdb::reader rows) : rows_(std::move(rows)) {}
  rocksdb::reader rows_;
  rocksdb::value row_;  // what meta_ points into
  solana::transaction_meta meta_;
};

}  // namespace osvm::ledger
