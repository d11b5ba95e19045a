// From argv to a running command.
#pragma once

#include <string>
#include <vector>

namespace osvm::cli {

// Parses `arguments` (without the program's name), runs the command, returns the process's exit status.
int run_app(std::vector<std::string> arguments);

}  // namespace osvm::cli
