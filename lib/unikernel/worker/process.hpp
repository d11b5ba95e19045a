// A worker process: started, watched, ended. Never forks the embedder: posix_spawn runs another program.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace osvm::unikernel {

// Owner of one child. Ends it when destroyed. Not thread-safe.
class worker_process final {
 public:
  worker_process() = default;
  // Starts `program` with `socket` as its descriptor 3, no environment, /dev/null as its standard descriptors
  // and nothing else of this process. Errors: errno of the start.
  static result<worker_process> start(const std::string& program, int socket,
                                      const std::vector<std::string>& arguments = {});
  // One that another process has started, by its number: the caller knows that it lives. Errors: errno.
  static result<worker_process> of(pid_t process);
  worker_process(worker_process&& other) noexcept;
  worker_process& operator=(worker_process&& other) noexcept;
  ~worker_process();

  pid_t id() const noexcept { return pid_; }
  int handle() const noexcept { return handle_.get(); }  // pidfd: readable when it has ended
  // Ends it now; end() still says how.
  void kill() noexcept;
  // Waits for its end, at most so long, then kills it; afterwards there is no such process. Says how it
  // ended, for people: "exited with status 0", "was ended by signal 9"; of another's child only that it "has
  // ended".
  std::string end(std::chrono::milliseconds grace) noexcept;

 private:
  pid_t pid_ = -1;
  bool child_ = true;
  pid_t owner_ = -1;  // the process that may end it: a forked child of the embedder may not
  unique_fd handle_;  // pidfd
};

}  // namespace osvm::unikernel
