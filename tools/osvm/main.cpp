#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "app.hpp"
#include "command.hpp"

namespace {

// Every guest needs a dozen descriptors, and the usual soft limit of 1024 is there for programs that use
// select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  // A closed pipe is an error of write(), not the end of the process and of the guests in it.
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  try {
    return osvm::cli::run_app({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "osvm: %s\n", e.what());
    return static_cast<int>(osvm::cli::exit_code::failed);
  }
}
