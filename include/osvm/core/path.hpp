// Guest paths as text: no file system is asked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace osvm {

// Puts the parts of `path` onto a stack of what is still to be resolved, the first part on top. Slashes at
// either end and doubled ones make no part; "." and ".." are parts like others.
void push_path_parts(std::string_view path, std::vector<std::string>& todo);

}  // namespace osvm
