// osvm-worker: runs one instance for the process that started it, over the socket that is its descriptor 3.
// Started by the library (instance_options::worker), never by hand.
#include "unikernel/worker/host.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

int main() {
  constexpr int link = 3;
  if (::fcntl(link, F_SETFD, FD_CLOEXEC) != 0) {
    std::fputs("osvm-worker is started by libosvm; there is nothing to run by hand\n", stderr);
    return 2;
  }
  return osvm::unikernel::serve_instance(osvm::unique_fd(link)) ? 0 : 1;
}
