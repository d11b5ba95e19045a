// One line on a terminal that says how far long work is. Nothing where stderr is no terminal.
#pragma once

#include <chrono>
#include <string>

#include "context.hpp"

namespace osvm::cli {

// Used by one thread. The line is gone when it is destroyed.
class progress final {
 public:
  progress(const context& ctx, std::string what);
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  // `total` 0: not known. Draws ten times a second at most.
  void update(std::uint64_t done, std::uint64_t total, const std::string& detail);

 private:
  std::string what_;
  bool shown_ = false, active_;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace osvm::cli
