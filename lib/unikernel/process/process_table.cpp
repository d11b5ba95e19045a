#include "unikernel/process/process_table.hpp"

#include "unikernel/process/process_state.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace osvm::unikernel {

bool process_table::add(const std::shared_ptr<process_state>& process, int parent, int exit_signal) {
  const std::lock_guard guard(lock_);
  if (entries_.size() >= limit_) return false;
  insert(process, parent, exit_signal);
  return true;
}

void process_table::add_beyond_limit(const std::shared_ptr<process_state>& process, int parent,
                                     int exit_signal) {
  const std::lock_guard guard(lock_);
  insert(process, parent, exit_signal);
}

void process_table::insert(const std::shared_ptr<process_state>& process, int parent, int exit_signal) {
  entry e;
  e.state = process;
  e.parent = parent;
  e.exit_signal = exit_signal;
  e.group = e.session = process->pid;
  if (const auto from = entries_.find(parent); from != entries_.end()) {
    e.group = from->second.group;
    e.session = from->second.session;
  }
  entries_.emplace(process->pid, std::move(e));
  ++started_;
  most_ = std::max(most_, entries_.size());
}

void process_table::forget(int pid) {
  const std::lock_guard guard(lock_);
  entries_.erase(pid);
  --started_;
}

std::shared_ptr<process_state> process_table::find(int pid) const {
  const std::lock_guard guard(lock_);
  const auto it = entries_.find(pid);
  return it == entries_.end() || it->second.end ? nullptr : it->second.state.lock();
}

bool process_table::exists(int pid) const {
  const std::lock_guard guard(lock_);
  return entries_.contains(pid);
}

std::vector<std::shared_ptr<process_state>> process_table::all() const {
  const std::lock_guard guard(lock_);
  std::vector<std::shared_ptr<process_state>> found;
  for (const auto& [pid, e] : entries_) {
    if (auto state = e.end ? nullptr : e.state.lock()) found.push_back(std::move(state));
  }
  return found;
}

std::vector<std::shared_ptr<process_state>> process_table::in_group(int group) const {
  const std::lock_guard guard(lock_);
  std::vector<std::shared_ptr<process_state>> found;
  for (const auto& [pid, e] : entries_) {
    if (e.group != group) continue;
    if (auto state = e.end ? nullptr : e.state.lock()) found.push_back(std::move(state));
  }
  return found;
}

void process_table::wake_waiters_of(int pid) {
  const auto it = entries_.find(pid);
  if (it == entries_.end()) return;
  for (waiter* w : it->second.waiters) w->unpark();
}

void process_table::remove(std::map<int, entry>::iterator which) {
  const auto parent = entries_.find(which->second.parent);
  if (parent != entries_.end())
    parent->second.children_cpu += which->second.end->cpu + which->second.children_cpu;
  entries_.erase(which);
}

std::vector<std::shared_ptr<process_state>> process_table::ended(int pid, const ending& how,
                                                                 const teller& tell) {
  std::shared_ptr<process_state> told;  // goes without the lock
  const std::lock_guard guard(lock_);
  std::vector<std::shared_ptr<process_state>> orphans;
  const auto it = entries_.find(pid);
  if (it == entries_.end()) return orphans;
  it->second.end = how;
  it->second.stop_news = -1;
  for (const unique_fd& w : it->second.watches) {
    const std::uint64_t one = 1;
    (void)!::write(w.get(), &one, sizeof one);
  }
  for (auto child = entries_.begin(); child != entries_.end();) {
    const auto next = std::next(child);
    if (child->second.parent == pid) {
      child->second.parent = outside_pid;
      if (auto state = child->second.state.lock(); state && !child->second.end)
        orphans.push_back(std::move(state));
      if (child->second.end) entries_.erase(child);  // nobody is left to wait for it
    }
    child = next;
  }
  const int parent = it->second.parent;
  const auto above = entries_.find(parent);
  if (above != entries_.end() && !above->second.end) told = above->second.state.lock();
  if (!told || !tell(*told, it->second.exit_signal)) remove(it);
  wake_waiters_of(parent);
  return orphans;
}

std::shared_ptr<process_state> process_table::changed(int pid, int signal) {
  const std::lock_guard guard(lock_);
  const auto it = entries_.find(pid);
  if (it == entries_.end() || it->second.end) return nullptr;
  it->second.stop_news = signal;
  wake_waiters_of(it->second.parent);
  const auto above = entries_.find(it->second.parent);
  return above == entries_.end() ? nullptr : above->second.state.lock();
}

bool process_table::matches(int pid, const entry& e, const wanted& which) {
  switch (which.kind) {
    case P_PID: return pid == which.id;
    case P_PGID: return e.group == which.id;
    default: return true;
  }
}

int process_table::take_news(int parent, const wanted& which, news& out) {
  const std::lock_guard guard(lock_);
  out = {};
  bool any = false;
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    entry& e = it->second;
    if (e.parent != parent || !matches(it->first, e, which)) continue;
    any = true;
    if (e.end && which.ended) {
      const int status = e.end->status;
      out = {it->first, status,
             WIFEXITED(status)   ? CLD_EXITED
             : WCOREDUMP(status) ? CLD_DUMPED
                                 : CLD_KILLED,
             e.end->cpu + e.children_cpu};
      if (!which.keep) remove(it);
      return 0;
    }
    const bool stopped = e.stop_news > 0 && which.stopped, continued = e.stop_news == 0 && which.continued;
    if (!stopped && !continued) continue;
    out = {it->first, stopped ? (e.stop_news << 8) | 0x7f : 0xffff, stopped ? CLD_STOPPED : CLD_CONTINUED,
           nanoseconds{0}};
    if (!which.keep) e.stop_news = -1;
    return 0;
  }
  return any ? 0 : -ECHILD;
}

void process_table::add_waiter(int parent, waiter& who) {
  const std::lock_guard guard(lock_);
  if (const auto it = entries_.find(parent); it != entries_.end()) it->second.waiters.push_back(&who);
}

void process_table::remove_waiter(int parent, waiter& who) {
  const std::lock_guard guard(lock_);
  if (const auto it = entries_.find(parent); it != entries_.end()) std::erase(it->second.waiters, &who);
}

process_table::nanoseconds process_table::waited_for_cpu(int pid) const {
  const std::lock_guard guard(lock_);
  const auto it = entries_.find(pid);
  return it == entries_.end() ? nanoseconds{0} : it->second.children_cpu;
}

int process_table::parent_of(int pid) const {
  const std::lock_guard guard(lock_);
  const auto it = entries_.find(pid);
  return it == entries_.end() ? outside_pid : it->second.parent;
}

std::optional<int> process_table::group_of(int pid) const {
  const std::lock_guard guard(lock_);
  const auto it = entries_.find(pid);
  return it == entries_.end() ? std::nullopt : std::optional(it->second.group);
}

std::optional<int> process_table::session_of(int pid) const {
  const std::lock_guard guard(lock_);
  const auto it = entries_.find(pid);
  return it == entries_.end() ? std::nullopt : std::optional(it->second.session);
}

// As setpgid(2): oneself, or a child that has not run a program yet; within the caller's session, and no
// session's leader.
int process_table::set_group(int caller, int pid, int group) {
  const std::lock_guard guard(lock_);
  const auto own = entries_.find(caller), it = entries_.find(pid);
  if (own == entries_.end() || it == entries_.end()) return -ESRCH;
  entry& e = it->second;
  if (pid != caller && e.parent != caller) return -ESRCH;
  if (pid != caller && e.ran_program) return -EACCES;
  if (e.session == pid || e.session != own->second.session) return -EPERM;
  const bool exists = group == pid || std::any_of(entries_.begin(), entries_.end(), [&](const auto& other) {
                        return other.second.group == group && other.second.session == e.session;
                      });
  if (!exists) return -EPERM;
  e.group = group;
  return 0;
}

int process_table::new_session(int pid) {
  const std::lock_guard guard(lock_);
  const auto it = entries_.find(pid);
  if (it == entries_.end()) return -ESRCH;
  const bool leads = std::any_of(entries_.begin(), entries_.end(),
                                 [&](const auto& other) { return other.second.group == pid; });
  if (leads) return -EPERM;
  it->second.group = it->second.session = pid;
  return pid;
}

void process_table::runs_program(int pid) {
  const std::lock_guard guard(lock_);
  if (const auto it = entries_.find(pid); it != entries_.end()) it->second.ran_program = true;
}

unique_fd process_table::watch(int pid) {
  const std::lock_guard guard(lock_);
  const auto it = entries_.find(pid);
  if (it == entries_.end()) return {};
  unique_fd event(::eventfd(it->second.end ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK));
  unique_fd mine(event ? ::fcntl(event.get(), F_DUPFD_CLOEXEC, 3) : -1);
  if (!event || !mine) return {};
  it->second.watches.push_back(std::move(mine));
  return event;
}

unsigned process_table::count() const {
  const std::lock_guard guard(lock_);
  return static_cast<unsigned>(entries_.size());
}

unsigned process_table::most() const {
  const std::lock_guard guard(lock_);
  return static_cast<unsigned>(most_);
}

std::uint64_t process_table::started() const {
  const std::lock_guard guard(lock_);
  return started_;
}

}  // namespace osvm::unikernel
