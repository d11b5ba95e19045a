// Merges a column's sources - log runs and chains of table files - into rows as a reader sees them.
#pragma once

#include "core.hpp"

namespace osvm::ledger::rocksdb {

// One sorted source of internal entries. seek() and friends position it; a source that cannot read a file
// passes over it and tells the walk.
class source {
 public:
  virtual ~source() = default;
  virtual void seek_first() = 0;
  virtual void seek_last() = 0;
  virtual void seek(std::string_view user_key) = 0;
  virtual void seek_before(std::string_view user_key) = 0;
  virtual void next() = 0;
  virtual void prev() = 0;
  virtual bool valid() const noexcept = 0;
  virtual internal_key key() const noexcept = 0;
  virtual result<rocksdb::value> value() const = 0;
};

// What sources tell the walk they are part of.
struct walk_context {
  std::shared_ptr<core> state;
  std::shared_ptr<const version> at;
  const version_column* column = nullptr;
  tombstone_set tombstones;        // of every file opened so far
  std::set<std::uint64_t> opened;  // whose tombstones are in there
  std::vector<lost_range> lost;
  std::set<std::uint64_t> lost_files;
  bool vanished = false;  // a file went away since the version was taken: take a new one
  result<> status;
};

std::unique_ptr<source> make_run_source(std::shared_ptr<const wal_run> run, std::uint32_t family);
std::unique_ptr<source> make_chain_source(const chain& files, walk_context& walk);

}  // namespace osvm::ledger::rocksdb
