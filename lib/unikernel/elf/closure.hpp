// The library closure with the files that were looked at still open, so that what is granted is what was
// checked.
#pragma once

#include "unikernel/controls.hpp"

#include <osvm/core/unique_fd.hpp>
#include <osvm/unikernel/libraries.hpp>

#include <set>
#include <string>
#include <vector>

namespace osvm::unikernel {

struct granted_file {
  library_grant grant;
  unique_fd object;  // O_PATH
};

struct open_closure {
  std::vector<granted_file> files;
  std::vector<library_refusal> refused;
  std::set<std::string, std::less<>> searched;  // folders that RPATH and RUNPATH name
  std::set<std::string, std::less<>> needed;    // names of libraries
  std::string loader_cache;  // an /etc/ld.so.cache that names exactly the granted libraries
};

result<open_closure> open_libraries(const image_info& program, const library_search& search,
                                    const rule_set& rules = {});

}  // namespace osvm::unikernel
