// Scripts as programs: `#!/usr/bin/python3 -u` in the first line names who runs them, as execve(2) has it.
#pragma once

#include <osvm/core/error.hpp>

#include <optional>
#include <string>
#include <vector>

namespace osvm::cli {

struct script {
  std::string path;                    // absolute
  std::string interpreter;             // host path of the program that runs it
  std::vector<std::string> arguments;  // argv of that program, up to and with the script
};

// Nothing when the file has no such line, or cannot be read (whoever loads it says why). `/usr/bin/env NAME`
// is looked up in PATH here: the guest cannot start another program. Errors: a line without an interpreter,
// a NAME that is nowhere.
result<std::optional<script>> read_script(const std::string& path);

}  // namespace osvm::cli
