// osvm-worker: runs one instance for the process that started it, over the socket that is its descriptor 3;
// or, with --keep, tidies up behind such a process. Started by the library (instance_options::worker), never
// by hand.
#include "unikernel/worker/host.hpp"
#include "unikernel/worker/keeper.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <span>
#include <string_view>

int main(int argc, char** argv) {
  namespace uk = osvm::unikernel;
  constexpr int link = 3;
  if (::fcntl(link, F_SETFD, FD_CLOEXEC) != 0) {
    std::fputs("osvm-worker is started by libosvm; there is nothing to run by hand\n", stderr);
    return 2;
  }
  const std::span<char* const> arguments(argv, static_cast<std::size_t>(argc));
  if (argc > 2 && std::string_view(argv[1]) == uk::keeper_option)
    return uk::keep(osvm::unique_fd(link), arguments.subspan(2));
  return uk::serve_instance(osvm::unique_fd(link)) ? 0 : 1;
}
