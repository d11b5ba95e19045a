#include "child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

extern char** environ;

namespace osvm::cli {
namespace {

constexpr std::string_view always_kept[] = {
    "PATH=",     "HOME=",     "TMPDIR=",        "https_proxy=", "HTTPS_PROXY=",
    "no_proxy=", "NO_PROXY=", "SSL_CERT_FILE=", "SSL_CERT_DIR="};

// This program's environment, with what was asked for instead of entries of the same name.
std::vector<char*> environment_of(const child_options& o) {
  std::vector<char*> out;
  for (const auto& e : o.environment) out.push_back(const_cast<char*>(e.c_str()));
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string_view entry = *e;
    const auto name = entry.substr(0, entry.find('=') + 1);
    if (o.clean && std::find(std::begin(always_kept), std::end(always_kept), name) == std::end(always_kept))
      continue;
    if (std::none_of(o.environment.begin(), o.environment.end(),
                     [&](const std::string& m) { return m.starts_with(name); }))
      out.push_back(*e);
  }
  out.push_back(nullptr);
  return out;
}

}  // namespace

result<child_process> child_process::start(const std::vector<std::string>& arguments, child_options options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe for a child process");
  unique_fd reader(ends[0]), writer(ends[1]);
  std::vector<char*> argv;
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (options.input)
    ::posix_spawn_file_actions_adddup2(&actions, options.input.get(), 0);
  else
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
  auto environment = environment_of(options);
  const int e = ::posix_spawnp(&pid, argv.front(), &actions, &attributes, argv.data(), environment.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (e != 0) return errno_error("start " + arguments.front(), e);
  return child_process(pid, std::move(reader), options.patience_ms);
}

child_process::~child_process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

result<std::string> child_process::first_output() {
  pollfd p{output_.get(), POLLIN, 0};
  char piece[256];
  if (::poll(&p, 1, patience_ms_) <= 0) return error(errc::timed_out, "the child process says nothing");
  const ssize_t n = ::read(output_.get(), piece, sizeof piece);
  if (n <= 0) return error(errc::closed, "the child process ended early");
  return std::string(piece, static_cast<std::size_t>(n));
}

result<std::string> child_process::finish(std::size_t limit) {
  std::string all;
  char piece[65536];
  for (;;) {
    pollfd p{output_.get(), POLLIN, 0};
    if (::poll(&p, 1, patience_ms_) <= 0) return error(errc::timed_out, "the child process does not end");
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
