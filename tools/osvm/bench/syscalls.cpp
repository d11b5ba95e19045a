// What a system call costs: the same program in a guest and as a native process, by its own clock.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <osvm/core/unique_fd.hpp>

#include <map>
#include <sstream>

#include "../guest_programs.hpp"
#include "bench.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using unikernel::instance;

using samples_by_name = std::map<std::string, std::vector<double>>;

// Lines "NAME nanoseconds".
samples_by_name parse(const std::string& text) {
  samples_by_name found;
  std::istringstream lines(text);
  std::string name;
  for (double ns = 0; lines >> name >> ns;) found[name].push_back(ns / 1000);
  return found;
}

result<std::string> run_guest(const environment& env, const unikernel::image& program,
                              const std::string& rounds, bool exitless) {
  auto options = env.options("calls");
  options.exitless = exitless;
  options.arguments = {"calls", rounds};
  options.output = unikernel::stdio::capture(std::size_t{1} << 20);
  OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), program, std::move(options)));
  OSVM_TRY(const auto ended, guest.wait(60s));
  if (ended.cause != unikernel::exit_cause::exited || ended.status != 0) {
    return error(errc::malformed, "calls: " + ended.describe());
  }
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

}  // namespace

result<void> measure_syscalls(environment& env, report& out, unsigned rounds) {
  OSVM_TRY(const auto path, find_guest("calls"));
  OSVM_TRY(const auto program, unikernel::image::load(path));
  const std::string count = std::to_string(rounds);
  OSVM_CHECK(env.proceed());
  OSVM_TRY(const auto inside, run_guest(env, program, count, false));
  OSVM_CHECK(env.proceed());
  OSVM_TRY(const auto exitless, run_guest(env, program, count, true));
  OSVM_CHECK(env.proceed());
  OSVM_TRY(const auto native, run_native(path, count));
  for (const auto& [name, us] : parse(inside)) out.samples("syscall.guest." + name, "us", us);
  for (const auto& [name, us] : parse(exitless)) out.samples("syscall.exitless." + name, "us", us);
  for (const auto& [name, us] : parse(native)) out.samples("syscall.native." + name, "us", us);
  return {};
}

}  // namespace osvm::cli::bench
