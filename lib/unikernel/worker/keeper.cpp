#include "unikernel/worker/keeper.hpp"

#include "unikernel/worker/cgroup.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace osvm::unikernel {
namespace {

constexpr std::string_view separator = "--";

}  // namespace

std::vector<std::string> keeper_arguments(const std::vector<std::string>& sockets,
                                          const std::vector<std::string>& groups) {
  std::vector<std::string> all{keeper_option};
  all.insert(all.end(), sockets.begin(), sockets.end());
  all.emplace_back(separator);
  all.insert(all.end(), groups.begin(), groups.end());
  return all;
}

int keep(unique_fd process, std::span<char* const> arguments) {
  (void)::prctl(PR_SET_NAME, "osvm-keeper");
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  while (::poll(&ended, 1, -1) < 0)
    if (errno != EINTR) return 1;
  if ((ended.revents & POLLIN) == 0) return 1;
  std::vector<std::string> groups;
  bool sockets = true;
  for (const char* path : arguments) {
    if (path == separator) {
      sockets = false;
    } else if (sockets) {
      (void)::unlink(path);
    } else {
      groups.emplace_back(path);
    }
  }
  worker_cgroup::holding(std::move(groups)).remove();
  return 0;
}

}  // namespace osvm::unikernel
