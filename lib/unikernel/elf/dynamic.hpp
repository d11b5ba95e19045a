// What a dynamic object says about other files: PT_DYNAMIC, read as hostile input.
#pragma once

#include "unikernel/elf/layout.hpp"

#include <string>
#include <vector>

namespace osvm::unikernel::elf {

struct dynamic_info {
  std::vector<std::string> needed;
  std::string soname, rpath, runpath;
};

// Empty for an object without PT_DYNAMIC. Errors: malformed_elf.
result<dynamic_info> read_dynamic(const byte_source& file, const layout& l);

}  // namespace osvm::unikernel::elf
