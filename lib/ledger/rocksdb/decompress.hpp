// Blocks as they lie in a file, made plain.
#pragma once

#include "coding.hpp"

namespace osvm::ledger::rocksdb {

// `type` is the byte of the block's trailer. errc::unsupported_format names what is not read (bzip2, xpress,
// custom ones), errc::corrupt what does not decompress to the size that it names, at most `max_size`.
result<std::string> decompress(std::string_view block, std::uint8_t type, std::string_view dictionary,
                               std::size_t max_size);

}  // namespace osvm::ledger::rocksdb
