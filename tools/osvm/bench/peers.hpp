// Ways to isolate a program that people use without osvm: each as the words in front of a command.
#pragma once

#include <osvm/core/error.hpp>

#include <functional>
#include <string>
#include <vector>

#include "bench.hpp"

namespace osvm::cli::bench {

struct sandbox {
  std::string name;  // "bwrap"
  // The whole command that runs `program` inside; may write files below env.sockets.
  std::function<std::vector<std::string>(const environment& env, const std::vector<std::string>& program)>
      wrap;
};

// Those that can run /bin/true here. Each other one becomes a remark that names it and says why not.
std::vector<sandbox> usable_sandboxes(const environment& env, report& out);

}  // namespace osvm::cli::bench
