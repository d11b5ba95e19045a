// A program of the host beside a bench: what people use without osvm.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace osvm::cli {

struct child_options {
  unique_fd input;                       // its stdin; none: /dev/null
  int patience_ms = 60'000;              // how long finish() waits for the next piece of output
  std::vector<std::string> environment;  // "NAME=value", beside this program's
  // Only where programs, temporary files and proxies are is taken over from this program's environment.
  bool clean = false;
};

// Owner of one child; ended and waited for when this goes. Move-only.
class child_process final {
 public:
  // Found through PATH; stdin is /dev/null, stdout is read here, stderr is dropped. errno of a missing
  // program.
  static result<child_process> start(const std::vector<std::string>& arguments, child_options options = {});
  child_process(child_process&& o) noexcept
      : pid_(std::exchange(o.pid_, -1)), output_(std::move(o.output_)), patience_ms_(o.patience_ms_) {}
  child_process& operator=(child_process&&) = delete;
  ~child_process();

  pid_t id() const noexcept { return pid_; }
  // All output until the child ends (or `limit` bytes), then its exit status; errc::failed when that is not
  // 0.
  result<std::string> finish(std::size_t limit = std::size_t{16} << 20);
  // The first bytes that it writes.
  result<std::string> first_output();

 private:
  child_process(pid_t pid, unique_fd output, int patience_ms)
      : pid_(pid), output_(std::move(output)), patience_ms_(patience_ms) {}
  pid_t pid_ = -1;
  unique_fd output_;
  int patience_ms_;
};

}  // namespace osvm::cli
