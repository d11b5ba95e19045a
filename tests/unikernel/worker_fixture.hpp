// Guests in worker processes: the workers that this process has started, and what they do.
#pragma once

#include "unikernel/guest_fixture.hpp"

#include <dirent.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace osvm::test {

class worker_test : public guest_test {
 protected:
  instance_options apart(const std::string& name, std::vector<std::string> arguments = {}) {
    instance_options o = options(name, std::move(arguments));
    o.worker = unikernel::worker_options{.program = OSVM_WORKER};
    return o;
  }
  // "state parent" of a process; empty: it is gone, or has another name.
  static std::string status_of(pid_t pid, const std::string& called = "") {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(stat, line);
    const auto name = line.rfind(')');
    if (name == std::string::npos || (!called.empty() && line.find("(" + called + ")") == std::string::npos))
      return {};
    return line.substr(name + 2);
  }
  static bool alive(pid_t pid) {
    const std::string status = status_of(pid, "osvm-worker");
    return !status.empty() && status[0] != 'Z';
  }
  // This process's children that are workers, or tidy up behind one.
  static std::vector<pid_t> workers() { return workers_of(::getpid()); }
  static std::vector<pid_t> workers_of(pid_t embedder) { return children_of(embedder, false); }
  static std::vector<pid_t> keepers_of(pid_t embedder) { return children_of(embedder, true); }
  static bool says(instance& guest, std::string_view text) {
    const auto until = std::chrono::steady_clock::now() + patience;
    std::string all;
    while (std::chrono::steady_clock::now() < until) {
      all += guest.take_output(1);
      if (all.find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(2ms);  // between looks; the deadline is `patience`
    }
    return false;
  }

 private:
  static std::vector<pid_t> children_of(pid_t embedder, bool keepers) {
    std::vector<pid_t> all;
    DIR* proc = ::opendir("/proc");
    while (const dirent* e = ::readdir(proc)) {
      const pid_t pid = std::atoi(e->d_name);
      if (pid <= 0) continue;
      std::istringstream status(status_of(pid));
      char state = 0;
      pid_t parent = 0;
      if (!(status >> state >> parent) || parent != embedder || state == 'Z') continue;
      std::ifstream command("/proc/" + std::string(e->d_name) + "/cmdline");
      std::string name, first;
      std::getline(command, name, '\0');
      std::getline(command, first, '\0');
      if (name == "osvm-worker" && (first == "--keep") == keepers) all.push_back(pid);
    }
    ::closedir(proc);
    return all;
  }
};

}  // namespace osvm::test
