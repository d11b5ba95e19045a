// Backends that are killed behind the proxy: how soon nothing goes there any more, and what it costs.
#pragma once

#include "bench.hpp"

namespace osvm::cli::bench {

struct eject_options {
  unsigned kills = 20;
  double rate = 1'000;  // requests per second
};
result<void> measure_eject(environment& env, report& out, const eject_options& options);

}  // namespace osvm::cli::bench
