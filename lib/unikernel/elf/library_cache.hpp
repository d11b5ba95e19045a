// /etc/ld.so.cache: which file the loader takes for a library's name. Reading the host's, and writing a small
// one for a guest, so that its loader finds what was granted without a search.
#pragma once

#include <osvm/core/bytes.hpp>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::unikernel::elf {

struct library_cache {
  std::map<std::string, std::string, std::less<>>
      paths;                                       // name -> absolute path, x86-64 without special CPU needs
  std::set<std::string, std::less<>> directories;  // of all those
};

// Hostile bytes give at most an empty or partial cache, as the loader treats a broken one. At most
// `max_entries`.
library_cache parse_library_cache(bytes_view file, std::size_t max_entries = 65536);

struct cached_library {
  std::string name, path;
};
std::string build_library_cache(std::vector<cached_library> libraries);

}  // namespace osvm::unikernel::elf
