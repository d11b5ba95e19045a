// Another program for as long as an object lives; ended by its id.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <string>
#include <vector>

extern char** environ;

namespace osvm::test {

class process {
 public:
  explicit process(const std::vector<std::string>& words) {
    std::vector<char*> argv;
    for (const auto& w : words) argv.push_back(const_cast<char*>(w.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t quiet;
    ::posix_spawn_file_actions_init(&quiet);
    for (const int fd : {1, 2}) ::posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_WRONLY, 0);
    if (::posix_spawnp(&id_, argv[0], &quiet, nullptr, argv.data(), environ) != 0) id_ = -1;
    ::posix_spawn_file_actions_destroy(&quiet);
  }
  ~process() { end(SIGTERM); }
  // Returns when it is gone.
  void end(int signal) {
    if (id_ <= 0) return;
    ::kill(id_, signal);
    ::waitpid(id_, nullptr, 0);
    id_ = -1;
  }
  process(const process&) = delete;
  process& operator=(const process&) = delete;

 private:
  pid_t id_ = -1;
};

}  // namespace osvm::test
