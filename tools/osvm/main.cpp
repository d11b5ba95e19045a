#include <csignal>
#include <cstdio>
#include <exception>

#include "app.hpp"
#include "command.hpp"

int main(int argc, char** argv) {
  // A closed pipe is an error of write(), not the end of the process and of the guests in it.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return osvm::cli::run_app({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "osvm: %s\n", e.what());
    return static_cast<int>(osvm::cli::exit_code::failed);
  }
}
