// The same program in a guest and as a native process, measured by its own clock.
#include "own_clock.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <osvm/core/unique_fd.hpp>

#include <sstream>

namespace osvm::cli::bench {

using namespace std::chrono_literals;
using unikernel::instance;

// Lines "NAME nanoseconds".
samples_by_name by_own_clock(const std::string& text) {
  samples_by_name found;
  std::istringstream lines(text);
  std::string name;
  for (double ns = 0; lines >> name >> ns;) found[name].push_back(ns / 1000);
  return found;
}

result<std::string> run_guest(const environment& env, const unikernel::image& program, std::string name,
                              std::string rounds, bool exitless) {
  auto options = env.options(name);
  options.exitless = exitless;
  options.arguments = {name, std::move(rounds)};
  options.output = unikernel::stdio::capture(std::size_t{1} << 20);
  OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), program, std::move(options)));
  OSVM_TRY(const auto ended, guest.wait(60s));
  if (ended.cause != unikernel::exit_cause::exited || ended.status != 0)
    return error(errc::malformed, name + ": " + ended.describe());
  return guest.take_output(1);
}

result<std::string> run_native(const std::string& path, const std::string& rounds) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  const unique_fd reader(ends[0]);
  unique_fd writer(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, writer.get(), 1);
  std::string name = path, count = rounds;
  char* argv[] = {name.data(), count.data(), nullptr};
  char* envp[] = {nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, path.c_str(), &actions, nullptr, argv, envp);
  ::posix_spawn_file_actions_destroy(&actions);
  writer.reset();
  if (failed != 0) return errno_error("spawn " + path, failed);
  std::string text;
  char piece[4096];
  for (ssize_t n = 0; (n = ::read(reader.get(), piece, sizeof piece)) > 0;)
    text.append(piece, static_cast<std::size_t>(n));
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0)
    return error(errc::malformed, path + " failed as a native process");
  return text;
}

}  // namespace osvm::cli::bench
