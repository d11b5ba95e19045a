// The MANIFEST: which table files each column family has, and from which log on rows are not in them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "coding.hpp"

namespace osvm::ledger::rocksdb {

struct table_file {
  std::uint64_t number = 0;
  std::uint64_t size = 0;
  std::string smallest, largest;  // user keys
  std::uint64_t largest_sequence = 0;
};

struct family {
  std::uint32_t id = 0;
  std::string name;
  std::uint64_t log_number = 0;                               // rows of older logs are in table files
  std::map<int, std::map<std::uint64_t, table_file>> levels;  // level -> number -> file
};

struct manifest_state {
  std::map<std::uint32_t, family> families;
  std::uint64_t last_sequence = 0;
  std::uint64_t min_log = 0;  // the oldest log that any family needs
};

// Applies version edits in the order of the file. Edits of an atomic group count once the group is whole. Not
// thread-safe.
class manifest_builder {
 public:
  manifest_builder();
  result<> apply(std::string_view record);
  // What the whole groups so far say.
  manifest_state finish() const;

 private:
  result<> apply_now(std::string_view record);
  manifest_state state_;
  std::vector<std::string> group_;
};

}  // namespace osvm::ledger::rocksdb
