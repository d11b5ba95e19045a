// The entries of a tar archive (ustar and GNU), one after the other.
#pragma once

#include <functional>

#include "byte_source.hpp"

namespace osvm::ledger {

struct tar_entry {
  std::string name;
  std::uint64_t size = 0;
  bool directory = false;
};

// `visit` reads what it wants of an entry's `size` bytes from the source and says how much that was; the rest
// is skipped. Links and devices are refused, as validators refuse them.
result<> each_tar_entry(byte_source& from, std::size_t max_entries,
                        const std::function<result<std::uint64_t>(const tar_entry&)>& visit);

}  // namespace osvm::ledger
