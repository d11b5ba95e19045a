#include <osvm/core/path.hpp>

#include <algorithm>
#include <iterator>

namespace osvm {

void push_path_parts(std::string_view path, std::vector<std::string>& todo) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash != 0) parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  todo.insert(todo.end(), std::make_move_iterator(parts.rbegin()), std::make_move_iterator(parts.rend()));
}

}  // namespace osvm
