// What the parts of `osvm bench programs` share: a program of the distribution run once in a VM and once as a
// native process, in alternating rounds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "../../child_process.hpp"
#include "../../stream_io.hpp"
#include "../bench.hpp"
#include "../peers.hpp"

namespace osvm::cli::bench {

using words = std::vector<std::string>;

// A program run to its end with status 0.
struct finished {
  std::string output;  // what it wrote to its standard output
  double ms = 0;       // from nothing to its end
};

// A program, as typed, and what it needs beside itself and its libraries.
struct task {
  words command;                         // the first word is the program's path
  std::vector<unikernel::mount> mounts;  // of the guest; natively the host's files are there
  unikernel::budgets budgets;
};

result<finished> run_inside(const environment& env, const unikernel::image& image, const task& what);
result<finished> run_outside(const environment& env, const task& what, const sandbox* how);

// Folders that a guest sees read-only at the host's paths.
std::vector<unikernel::mount> read_only(const words& folders);

// The proportional share of a process's memory, in MiB; `process` is a pid or "self".
double resident_mib(const std::string& process);

// One sample for each round: rows NAME, NAME.native and NAME.ratio (ours divided by native).
class comparison {
 public:
  void add(double ours, double native);
  void print(report& out, const std::string& name, const std::string& unit) const;

 private:
  std::vector<double> ours_, native_, ratios_;
};

// How soon programs start and end: /bin/true and an idle Python.
result<void> measure_starts(environment& env, report& out, const std::vector<sandbox>& peers,
                            unsigned rounds);
result<void> measure_redis(environment& env, report& out, const std::vector<sandbox>& peers, unsigned rounds);
// lighttpd and Python's http.server: requests, and memory beyond the native server's.
result<void> measure_web(environment& env, report& out, unsigned rounds);
// Work that makes few system calls: OpenSSL, zstd, a loop in Python, memory touched for the first time.
result<void> measure_work(environment& env, report& out, unsigned rounds);

}  // namespace osvm::cli::bench
