// The processes of one instance: who is whose child, in which group and session, and what those that ended
// left for their parents. Memory, threads and descriptors are not its business.
#pragma once

#include "unikernel/thread/waiter.hpp"

#include <osvm/core/unique_fd.hpp>

#include <sys/types.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace osvm::unikernel {

struct process_state;

// The parent of who has none in the guest: outside of it.
inline constexpr int outside_pid = 1;

// Thread-safe. Under its own lock it takes those of waiters, and calls ended()'s `tell`.
class process_table final {
 public:
  using nanoseconds = std::chrono::nanoseconds;
  // `limit`: processes at once, those counted that ended and were not waited for.
  explicit process_table(unsigned limit) noexcept : limit_(limit) {}

  // What a process that ended left: a status as wait(2) has it.
  struct ending {
    int status = 0;
    nanoseconds cpu{0};
  };
  // What waitid() tells of a child.
  struct news {
    int pid = 0;
    int status = 0;
    int code = 0;  // CLD_*
    nanoseconds cpu{0};
  };
  struct wanted {
    idtype_t kind = P_ALL;
    int id = 0;
    bool ended = true, stopped = false, continued = false;
    bool keep = false;  // WNOWAIT
  };

  // Adds the first process, or a child in its parent's group and session. False: too many.
  bool add(const std::shared_ptr<process_state>& process, int parent, int exit_signal);
  void add_beyond_limit(const std::shared_ptr<process_state>& process, int parent, int exit_signal);
  void forget(int pid);                                // of a child that never ran
  std::shared_ptr<process_state> find(int pid) const;  // null: none, or it has ended
  bool exists(int pid) const;                          // also when it ended and nobody waited for it
  std::vector<std::shared_ptr<process_state>> all() const;
  std::vector<std::shared_ptr<process_state>> in_group(int group) const;

  // A process ended. Its own children have no parent from now on and are returned. `tell` is called with the
  // parent that is alive and the signal that it asked for, before that one can find its child ended; false:
  // it does not care, and nothing is left for it.
  using teller = std::function<bool(process_state& parent, int signal)>;
  std::vector<std::shared_ptr<process_state>> ended(int pid, const ending& how, const teller& tell);
  // It was stopped by `signal`, or continued (0). Returns its parent.
  std::shared_ptr<process_state> changed(int pid, int signal);

  // 0 with `out.pid` 0: no child has news; -ECHILD: no such child.
  int take_news(int parent, const wanted& which, news& out);
  // `who` is unparked whenever a child of `parent` has news, until it is removed.
  void add_waiter(int parent, waiter& who);
  void remove_waiter(int parent, waiter& who);
  nanoseconds waited_for_cpu(int pid) const;  // of children that were waited for

  int parent_of(int pid) const;                   // outside_pid: none
  std::optional<int> group_of(int pid) const;     // nothing: no such process
  std::optional<int> session_of(int pid) const;   // the same
  int set_group(int caller, int pid, int group);  // 0 or -errno
  int new_session(int pid);                       // its number or -errno
  void runs_program(int pid);                     // setpgid() by its parent is too late from now on

  // A descriptor that becomes readable when the process has ended (eventfd). Empty: no such process, or no
  // descriptor.
  unique_fd watch(int pid);
  unsigned count() const;
  unsigned most() const;          // at once
  std::uint64_t started() const;  // ever

 private:
  struct entry {
    std::weak_ptr<process_state> state;
    int parent = 0, group = 0, session = 0, exit_signal = 0;
    bool ran_program = false;
    std::optional<ending> end;
    int stop_news = -1;  // a stopping signal, 0: continued, -1: none
    nanoseconds children_cpu{0};
    std::vector<waiter*> waiters;
    std::vector<unique_fd> watches;
  };
  void insert(const std::shared_ptr<process_state>& process, int parent, int exit_signal);
  static bool matches(int pid, const entry& e, const wanted& which);
  void wake_waiters_of(int pid);
  void remove(std::map<int, entry>::iterator which);

  const unsigned limit_;
  mutable std::mutex lock_;
  std::map<int, entry> entries_;
  std::uint64_t started_ = 0;
  std::size_t most_ = 0;
};

}  // namespace osvm::unikernel
