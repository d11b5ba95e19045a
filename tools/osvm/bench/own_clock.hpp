// The same program in a guest and as a native process, measured by its own clock.
#pragma once

#include "bench.hpp"

#include <map>
#include <string>
#include <vector>

namespace osvm::cli::bench {

using samples_by_name = std::map<std::string, std::vector<double>>;  // microseconds

// Lines "NAME nanoseconds".
samples_by_name by_own_clock(const std::string& text);
// What `name ROUNDS` writes, in a VM and as an ordinary process.
result<std::string> run_guest(const environment& env, const unikernel::image& program, std::string name,
                              std::string rounds, bool exitless);
result<std::string> run_native(const std::string& path, const std::string& rounds);

}  // namespace osvm::cli::bench
