#include "child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace osvm::cli {
namespace {

constexpr int patience_ms = 60'000;

}  // namespace

result<child_process> child_process::start(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe for a child process");
  unique_fd reader(ends[0]), writer(ends[1]);
  std::vector<char*> argv;
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, writer.get(), 1);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  // This process may block signals; the child must not inherit that.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = -1;
  const int e = ::posix_spawnp(&pid, argv.front(), &actions, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (e != 0) return errno_error("start " + arguments.front(), e);
  return child_process(pid, std::move(reader));
}

child_process::~child_process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

result<std::string> child_process::first_output() {
  pollfd p{output_.get(), POLLIN, 0};
  char piece[256];
  if (::poll(&p, 1, patience_ms) <= 0) return error(errc::timed_out, "the child process says nothing");
  const ssize_t n = ::read(output_.get(), piece, sizeof piece);
  if (n <= 0) return error(errc::closed, "the child process ended early");
  return std::string(piece, static_cast<std::size_t>(n));
}

result<std::string> child_process::finish(std::size_t limit) {
  std::string all;
  char piece[65536];
  for (;;) {
    pollfd p{output_.get(), POLLIN, 0};
    if (::poll(&p, 1, patience_ms) <= 0) return error(errc::timed_out, "the child process does not end");
    const ssize_t n = ::read(output_.get(), piece, sizeof piece);
    if (n <= 0 || all.size() > limit) break;
    all.append(piece, static_cast<std::size_t>(n));
  }
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return error(errc::closed, "the child process failed");
  return all;
}

}  // namespace osvm::cli
