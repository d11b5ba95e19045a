// Names: osvm-worker-PIDNS-PID-START-ID of who made it, so that anybody can tell whether that process is
// still there. A group whose maker is gone is removed by whoever comes next; that fails, as it should, while
// a worker lives in it.
#include "unikernel/worker/cgroup.hpp"

#include "unikernel/worker/cgroup_host.hpp"

#include <osvm/core/unique_fd.hpp>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <thread>
#include <utility>

namespace osvm::unikernel {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view prefix = "osvm-worker-";
constexpr std::uint64_t least_memory = std::uint64_t{8} << 20;
constexpr unsigned cpu_period_us = 100'000;
constexpr auto removal_patience = 2s;

// When a process began, in clock ticks since boot; empty: it is not there.
std::string start_of(std::string_view pid) {
  const std::string stat = read_group_file(fmt::format("/proc/{}/stat", pid));
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(stat.substr(name_end + 1));
  std::string word;
  for (int field = 3; field <= 22 && rest >> word; ++field)
    if (field == 3 && word == "Z") return {};
  return word;
}

std::uint64_t pid_namespace() {
  struct stat st {};
  return ::stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

std::string maker_prefix() {
  return fmt::format("{}{}-", prefix, pid_namespace());
}

// Leftovers of makers that are gone.
void sweep(const std::string& parent) {
  const std::string ours = maker_prefix();
  std::error_code ec;
  for (std::filesystem::directory_iterator at(parent, ec), end; !ec && at != end; at.increment(ec)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(ours)) continue;
    const std::string rest = name.substr(ours.size());
    const std::size_t first = rest.find('-'), second = rest.find('-', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    if (start_of(rest.substr(0, first)) == rest.substr(first + 1, second - first - 1)) continue;
    (void)::rmdir(at->path().c_str());
  }
}

struct setting {
  const char* file;
  std::string text;
  bool optional = false;  // the file may be missing: this kernel has nothing to set then
};

std::vector<setting> settings_of(controller c, bool unified, const worker_limits& l) {
  switch (c) {
    case controller::memory: {
      const std::string bytes = fmt::to_string(l.memory_bytes);
      if (unified) return {{"memory.max", bytes}, {"memory.swap.max", "0", true}};
      return {{"memory.limit_in_bytes", bytes}, {"memory.memsw.limit_in_bytes", bytes, true}};
    }
    case controller::cpu: {
      const std::uint64_t quota = std::uint64_t{l.cpu_percent} * cpu_period_us / 100;
      if (unified) return {{"cpu.max", fmt::format("{} {}", quota, cpu_period_us)}};
      return {{"cpu.cfs_period_us", fmt::to_string(cpu_period_us)},
              {"cpu.cfs_quota_us", fmt::to_string(quota)}};
    }
    case controller::pids: return {{"pids.max", fmt::to_string(l.tasks)}};
  }
  return {};
}

std::string limit_text(controller c, const worker_limits& l) {
  switch (c) {
    case controller::memory: return fmt::format("memory {} MiB", l.memory_bytes >> 20);
    case controller::cpu: return fmt::format("{} % of a core", l.cpu_percent);
    case controller::pids: return fmt::format("{} tasks", l.tasks);
  }
  return {};
}

error refused(const error& why) {
  return {osvm::errc::unsupported, "limits of a worker: " + why.to_string()};
}

std::vector<pid_t> members_of(const std::string& folder) {
  std::vector<pid_t> all;
  std::istringstream in(read_group_file(folder + "/cgroup.procs"));
  for (pid_t pid = 0; in >> pid;) all.push_back(pid);
  return all;
}

// A number is looked up again after its process is held: what the handle means is then in the group.
void kill_members(const std::string& folder) {
  for (const pid_t pid : members_of(folder)) {
    const unique_fd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    const auto now = members_of(folder);
    if (handle && std::find(now.begin(), now.end(), pid) != now.end())
      (void)::syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0);
  }
}

result<void> check(const worker_limits& l) {
  if (l.memory_bytes != 0 && l.memory_bytes < least_memory)
    return error(osvm::errc::invalid_argument, "a worker's memory limit is 8 MiB at least");
  if (l.cpu_percent > 100'000)
    return error(osvm::errc::invalid_argument, "a worker's CPU limit is 1..100000 percent of a core");
  if (l.tasks != 0 && l.tasks < 4)
    return error(osvm::errc::invalid_argument, "a worker's task limit is 4 at least: two are its own");
  return {};
}

}  // namespace

result<worker_cgroup> worker_cgroup::create(const worker_limits& limits, std::uint32_t id) {
  OSVM_CHECK(check(limits));
  worker_cgroup made;
  made.owner_ = ::getpid();
  const auto pid = fmt::to_string(made.owner_);
  const std::string name = fmt::format("{}{}-{}-{:08x}", maker_prefix(), pid, start_of(pid), id);
  const std::array<std::pair<controller, bool>, 3> wanted{{{controller::memory, limits.memory_bytes != 0},
                                                           {controller::cpu, limits.cpu_percent != 0},
                                                           {controller::pids, limits.tasks != 0}}};
  for (const auto& [c, is_wanted] : wanted) {
    if (!is_wanted) continue;
    OSVM_TRY(const auto place, place_for(c, limits.parent));
    const std::string folder = place.folder + "/" + name;
    if (std::find(made.folders_.begin(), made.folders_.end(), folder) == made.folders_.end()) {
      sweep(place.folder);
      if (::mkdir(folder.c_str(), 0755) != 0) return refused(errno_error("making " + folder));
      made.folders_.push_back(folder);
    }
    for (const setting& s : settings_of(c, place.unified, limits)) {
      const std::string file = folder + "/" + s.file;
      if (s.optional && ::access(file.c_str(), F_OK) != 0) continue;
      if (const auto done = write_group_file(file, s.text); !done) return refused(done.error());
    }
    made.description_ += (made.description_.empty() ? "cgroup limits: " : ", ") + limit_text(c, limits) +
                         (place.unified ? " (v2)" : " (v1)");
  }
  return made;
}

worker_cgroup worker_cgroup::of(pid_t process) {
  worker_cgroup found = holding(folders_of(process));
  if (!found.folders_.empty()) found.description_ = "cgroup limits";
  return found;
}

worker_cgroup worker_cgroup::holding(std::vector<std::string> folders) {
  worker_cgroup all;
  all.owner_ = ::getpid();
  all.folders_ = std::move(folders);
  return all;
}

std::vector<std::string> worker_cgroup::folders_of(pid_t process) {
  std::vector<std::string> found;
  const std::string groups = read_group_file(fmt::format("/proc/{}/cgroup", process));
  const std::string mounts = read_whole_file("/proc/self/mountinfo");
  for (const controller c : {controller::memory, controller::cpu, controller::pids}) {
    const auto place = find_place(mounts, groups, c, {});
    if (!place) continue;
    const std::size_t slash = place->folder.rfind('/');
    if (slash == std::string::npos || !place->folder.substr(slash + 1).starts_with(prefix)) continue;
    if (std::find(found.begin(), found.end(), place->folder) == found.end()) found.push_back(place->folder);
  }
  return found;
}

worker_cgroup::worker_cgroup(worker_cgroup&& other) noexcept
    : folders_(std::exchange(other.folders_, {})),
      description_(std::move(other.description_)),
      owner_(other.owner_) {}

worker_cgroup& worker_cgroup::operator=(worker_cgroup&& other) noexcept {
  if (this != &other) {
    remove();
    folders_ = std::exchange(other.folders_, {});
    description_ = std::move(other.description_);
    owner_ = other.owner_;
  }
  return *this;
}

worker_cgroup::~worker_cgroup() {
  remove();
}

result<void> worker_cgroup::admit(pid_t process) const {
  for (const std::string& folder : folders_) {
    if (const auto done = write_group_file(folder + "/cgroup.procs", fmt::to_string(process)); !done)
      return refused(done.error());
  }
  return {};
}

bool worker_cgroup::out_of_memory() const {
  for (const std::string& folder : folders_) {
    for (const char* file : {"/memory.events", "/memory.oom_control"}) {
      std::istringstream in(read_group_file(folder + file));
      std::string key;
      for (std::uint64_t count = 0; in >> key >> count;)
        if (key == "oom_kill" && count != 0) return true;
    }
  }
  return false;
}

// Busy for a moment after the last process was seen to end.
void worker_cgroup::remove() noexcept {
  if (owner_ != ::getpid()) return;
  const auto until = std::chrono::steady_clock::now() + removal_patience;
  for (const std::string& folder : std::exchange(folders_, {})) {
    while (::rmdir(folder.c_str()) != 0 && errno == EBUSY && std::chrono::steady_clock::now() < until) {
      try {
        kill_members(folder);
      } catch (...) {  // out of memory: the next who makes a group sweeps this one
        return;
      }
      std::this_thread::sleep_for(1ms);
    }
  }
}

}  // namespace osvm::unikernel
