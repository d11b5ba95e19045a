// The options of a command as data, for completion scripts and tests.
#pragma once

#include <string>
#include <vector>

#include "command.hpp"

namespace osvm::cli {

struct option_info {
  std::string name;         // with dashes; for words: the name in the usage
  std::string placeholder;  // empty for flags
  std::string help;
  std::vector<std::string> choices;
  bool is_word = false;
  bool takes_files = false;  // the value, or the rest of the line, is a path
};

// What `entry` declares, and then what every command takes.
std::vector<option_info> options_of(const command& entry);

}  // namespace osvm::cli
