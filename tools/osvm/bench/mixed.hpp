// Releases in VMs replaced under every kind of traffic at once.
#pragma once

#include "bench.hpp"

namespace osvm::cli::bench {

struct mixed_options {
  unsigned shifts = 100;
  double rate = 1'000;  // requests per second, of all kinds together
  std::chrono::milliseconds pause{50};
};
result<void> measure_mixed(environment& env, report& out, const mixed_options& options);

}  // namespace osvm::cli::bench
