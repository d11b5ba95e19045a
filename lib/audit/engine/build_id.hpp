// Which build of this library runs: results of another one are not ours.
#pragma once

#include <string>

namespace osvm::audit {

// The linker's build id of the program or shared library that holds this code, as hex digits; empty without
// one.
std::string build_id();

}  // namespace osvm::audit
