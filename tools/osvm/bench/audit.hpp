// How fast `osvm audit` reads a folder.
#pragma once

#include <string>

#include "report.hpp"

namespace osvm::cli::bench {

struct audit_bench {
  std::string path;
  unsigned rounds = 5;
  unsigned threads = 2;
};
result<void> measure_audit(report& out, const audit_bench& options);

}  // namespace osvm::cli::bench
