// Control groups of workers: where they are found, that each limit bites (beside the same guest without it),
// and that nothing of them is left, whoever is killed.
#include "unikernel/guest_fixture.hpp"
#include "unikernel/worker/cgroup.hpp"
#include "unikernel/worker/cgroup_host.hpp"
#include "unikernel/worker_fixture.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <functional>
#include <sstream>

namespace {

using namespace osvm;
using namespace osvm::test;
using namespace osvm::unikernel;

constexpr const char* v1_mounts =
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/mem\\040ory rw,relatime - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
constexpr const char* v1_groups = "5:cpu,cpuacct:/a\n4:memory:/a/b\n1:name=systemd:/\n0::/own\n";

TEST(cgroup_place, of_each_controller_is_its_hierarchy) {
  const auto memory = find_place(v1_mounts, v1_groups, controller::memory, {});
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->folder, "/sys/fs/cgroup/mem ory/a/b");
  EXPECT_FALSE(memory->unified);
  const auto cpu = find_place(v1_mounts, v1_groups, controller::cpu, {});
  ASSERT_TRUE(cpu);
  EXPECT_EQ(cpu->folder, "/sys/fs/cgroup/cpu,cpuacct/a");
  const auto pids = find_place(v1_mounts, v1_groups, controller::pids, {});
  ASSERT_TRUE(pids) << "what no v1 hierarchy has may be in v2";
  EXPECT_EQ(pids->folder, "/sys/fs/cgroup/unified/own");
  EXPECT_TRUE(pids->unified);
  EXPECT_EQ(find_place(v1_mounts, v1_groups, controller::cpu, "/named")->folder,
            "/sys/fs/cgroup/cpu,cpuacct/named");
}

TEST(cgroup_place, is_below_what_the_mount_shows) {
  constexpr const char* mounts = "30 23 0:26 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
  EXPECT_EQ(find_place(mounts, "0::/docker/x/y\n", controller::cpu, {})->folder, "/sys/fs/cgroup/y");
  EXPECT_EQ(find_place(mounts, "0::/docker/x\n", controller::cpu, {})->folder, "/sys/fs/cgroup");
  EXPECT_FALSE(find_place(mounts, "0::/docker/xy\n", controller::cpu, {}));
  EXPECT_FALSE(find_place(mounts, "0::/other\n", controller::cpu, {}));
}

TEST(cgroup_place, is_none_in_nonsense) {
  for (const char* text : {"", "\n\n", "1 2 3\n", "- - - - - - - - -\n", "1 2 0:1 / /x rw - cgroup2\n"})
    EXPECT_FALSE(find_place(text, v1_groups, controller::memory, {})) << text;
  for (const char* text : {"", "::\n", "4:memory\n", "4\n", "x:y:z\n"})
    EXPECT_FALSE(find_place("35 31 0:32 / /m rw - cgroup c rw,memory\n", text, controller::memory, {}))
        << text;
}

// This host's own: whether it has groups that this user can make.
class worker_limits_test : public worker_test {
 protected:
  void SetUp() override {
    worker_test::SetUp();
    if (IsSkipped()) return;
    const auto probe = worker_cgroup::create({.memory_bytes = 64 << 20, .cpu_percent = 100, .tasks = 50}, 1);
    if (!probe) GTEST_SKIP() << "SKIPPED: " << probe.error().to_string();
  }
  result<instance> start_limited(const std::string& name, std::vector<std::string> arguments,
                                 const worker_limits& limits, bool jail = false) {
    instance_options o = apart(name, std::move(arguments));
    o.worker->limits = limits;
    o.worker->jail = jail;
    o.budgets.memory_bytes = 256 << 20;
    return instance::create(loop().get_executor(), program(name), std::move(o));
  }
  // Folders of the groups of the only worker.
  static std::vector<std::string> groups() {
    const auto all = workers();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? std::vector<std::string>() : worker_cgroup::folders_of(all[0]);
  }
  static std::uint64_t number(const std::string& file, const std::string& key) {
    std::istringstream in(read_group_file(file));
    std::string name;
    for (std::uint64_t n = 0; in >> name >> n;)
      if (name == key) return n;
    return 0;
  }
  static bool gone(const std::vector<std::string>& folders) {
    for (const auto& f : folders)
      if (std::filesystem::exists(f)) return false;
    return !folders.empty();
  }
};

TEST_F(worker_limits_test, memory_beyond_the_limit_ends_the_guest) {
  for (const bool jail : {false, true}) {
    auto limited = start_limited("bombs", {"memory_touch"}, {.memory_bytes = 64 << 20}, jail);
    ASSERT_TRUE(limited) << limited.error().to_string();
    const auto end = limited->wait(patience);
    ASSERT_TRUE(end) << end.error().to_string();
    EXPECT_EQ(end->cause, exit_cause::memory_budget) << end->describe();
    EXPECT_EQ(end->detail, "the memory limit of the worker process");
    auto free = start_limited("bombs", {"memory_touch"}, {}, jail);
    ASSERT_TRUE(free) << free.error().to_string();
    const auto control = free->wait(patience);
    ASSERT_TRUE(control);
    EXPECT_NE(control->detail, "the memory limit of the worker process");
    EXPECT_NE(free->take_output(1).find("MiB 128"), std::string::npos) << control->describe();
  }
}

TEST_F(worker_limits_test, a_worker_beyond_its_quota_waits) {
  auto slow = start_limited("stubborn", {"spin"}, {.cpu_percent = 10});
  ASSERT_TRUE(slow) << slow.error().to_string();
  EXPECT_NE(slow->isolation_report().find("cgroup limits: 10 % of a core"), std::string::npos)
      << slow->isolation_report();
  const auto stat = groups().at(0) + "/cpu.stat";
  const auto until = std::chrono::steady_clock::now() + patience;
  while (number(stat, "nr_throttled") == 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(2ms);  // between looks; the deadline is `patience`
  EXPECT_GT(number(stat, "nr_throttled"), 0u);
  slow->kill();
  ASSERT_TRUE(slow->wait(patience));
  slow = error(osvm::errc::closed);

  auto fast = start_limited("stubborn", {"spin"}, {.cpu_percent = 6400});
  ASSERT_TRUE(fast) << fast.error().to_string();
  const auto control = groups().at(0) + "/cpu.stat";
  while (fast->stats().cpu_time < 200ms && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(2ms);
  EXPECT_GT(number(control, "nr_periods"), 0u);
  EXPECT_EQ(number(control, "nr_throttled"), 0u);
}

TEST_F(worker_limits_test, threads_beyond_the_limit_are_refused) {
  const auto got = [&](const worker_limits& limits) {
    auto guest = start_limited("bombs", {"threads"}, limits);
    EXPECT_TRUE(guest) << guest.error().to_string();
    if (!guest) return -1LL;
    return finish(*guest, "bombs threads").number("threads").value_or(-1);
  };
  const auto limited = got({.tasks = 20});
  EXPECT_GT(limited, 0);
  EXPECT_LT(limited, 20);
  EXPECT_GE(got({}), 60) << "without the limit: what the thread budget allows";
}

TEST_F(worker_limits_test, leave_nothing_when_the_worker_is_killed) {
  auto guest =
      start_limited("stubborn", {"sleeping"}, {.memory_bytes = 64 << 20, .cpu_percent = 50, .tasks = 20});
  ASSERT_TRUE(guest) << guest.error().to_string();
  const auto folders = groups();
  EXPECT_GE(folders.size(), 1u);
  ASSERT_EQ(::kill(workers().at(0), SIGKILL), 0);
  const auto end = guest->wait(patience);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->detail, "the worker process was ended by signal 9");
  guest = error(osvm::errc::closed);  // the handle is gone
  EXPECT_TRUE(gone(folders));
}

TEST_F(worker_limits_test, of_an_embedder_that_was_killed_are_swept_by_the_next) {
  int report[2];
  ASSERT_EQ(::pipe(report), 0);
  const pid_t embedder = ::fork();
  ASSERT_GE(embedder, 0);
  if (embedder == 0) {
    runtime own;
    instance_options o = apart("stubborn", {"sleeping"});
    o.worker->limits.tasks = 20;
    auto guest = instance::create(own.get_executor(), program("stubborn"), std::move(o));
    const auto all = workers();
    const pid_t pid = guest && all.size() == 1 ? all[0] : 0;
    (void)!::write(report[1], &pid, sizeof pid);
    ::pause();
    ::_exit(0);
  }
  pid_t pid = 0;
  ASSERT_EQ(::read(report[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ::close(report[0]);
  ::close(report[1]);
  ASSERT_GT(pid, 0);
  const auto folders = worker_cgroup::folders_of(pid);
  ASSERT_EQ(folders.size(), 1u);
  // While the embedder lives, the next leaves its groups alone.
  ASSERT_TRUE(worker_cgroup::create({.tasks = 20}, 2));
  EXPECT_TRUE(std::filesystem::exists(folders[0]));
  ::kill(embedder, SIGKILL);
  ::waitpid(embedder, nullptr, 0);
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!read_group_file(folders[0] + "/cgroup.procs").empty() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(2ms);
  EXPECT_TRUE(std::filesystem::exists(folders[0])) << "nobody is there to remove it";
  ASSERT_TRUE(worker_cgroup::create({.tasks = 20}, 3));
  EXPECT_TRUE(gone(folders));
}

// A worker that a guest has taken over could leave processes behind, where nothing forbids them.
TEST_F(worker_limits_test, end_what_is_still_in_the_group) {
  auto group = worker_cgroup::create({.tasks = 20}, 4);
  ASSERT_TRUE(group) << group.error().to_string();
  const auto folders = group->folders();
  int alive[2], go[2];
  ASSERT_EQ(::pipe(alive), 0);
  ASSERT_EQ(::pipe(go), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char c = 0;
    (void)!::read(go[0], &c, 1);
    if (::fork() == 0) {
      ::close(alive[0]);
      for (;;) ::pause();
    }
    ::_exit(0);
  }
  ::close(alive[1]);
  ASSERT_TRUE(group->admit(child));
  ASSERT_EQ(::write(go[1], "x", 1), 1);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  group->remove();
  char c = 0;
  EXPECT_EQ(::read(alive[0], &c, 1), 0) << "the grandchild still holds the pipe";
  EXPECT_TRUE(gone(folders));
  for (const int fd : {alive[0], go[0], go[1]}) ::close(fd);
}

TEST_F(worker_limits_test, that_make_no_sense_are_refused) {
  const auto code = [&](const worker_limits& limits) {
    const auto guest = start_limited("hello", {}, limits);
    return guest ? error_code() : guest.error().code;
  };
  EXPECT_EQ(code({.memory_bytes = 4096}), make_error_code(osvm::errc::invalid_argument));
  EXPECT_EQ(code({.cpu_percent = 100'001}), make_error_code(osvm::errc::invalid_argument));
  EXPECT_EQ(code({.tasks = 1}), make_error_code(osvm::errc::invalid_argument));
  EXPECT_EQ(code({.tasks = 9, .parent = "osvm"}), make_error_code(osvm::errc::invalid_argument));
  EXPECT_EQ(code({.tasks = 9, .parent = "/a/../b"}), make_error_code(osvm::errc::invalid_argument));
  EXPECT_EQ(code({.tasks = 9, .parent = "/osvm-no-such-group"}), make_error_code(osvm::errc::unsupported));
  EXPECT_TRUE(workers().empty());
}

// What `worker_cgroup::create` answers in a process that `change` has made different; "" when it could not
// be.
std::string answer_after(const std::function<bool()>& change) {
  int out[2];
  EXPECT_EQ(::pipe(out), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::string text;
    if (change()) {
      const auto group = worker_cgroup::create({.tasks = 20}, 5);
      text = group ? "made" : group.error().to_string();
    }
    (void)!::write(out[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(out[1]);
  std::string text(4096, '\0');
  const ssize_t n = ::read(out[0], text.data(), text.size());
  ::close(out[0]);
  ::waitpid(child, nullptr, 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

bool with_own_mounts() {
  return ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// This host, seen through fewer mounts.
TEST_F(worker_limits_test, are_refused_by_name_where_the_host_has_none) {
  const auto place = place_for(controller::pids, {});
  ASSERT_TRUE(place);
  if (place->unified) GTEST_SKIP() << "SKIPPED: the controllers of this host are in v2";
  const std::string control = answer_after(with_own_mounts);
  if (control.empty()) GTEST_SKIP() << "SKIPPED: this user cannot have mounts of its own";
  EXPECT_EQ(control, "made");
  const std::string none =
      answer_after([] { return with_own_mounts() && ::umount2("/sys/fs/cgroup", MNT_DETACH) == 0; });
  EXPECT_NE(none.find("no control group of 'pids' is mounted"), std::string::npos) << none;
  EXPECT_NE(none.find(make_error_code(osvm::errc::unsupported).message()), std::string::npos) << none;
  const std::string v2 = answer_after([] {
    return with_own_mounts() && ::umount2("/sys/fs/cgroup", MNT_DETACH) == 0 &&
           ::mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, nullptr) == 0;
  });
  EXPECT_NE(v2.find("has the controller 'pids'"), std::string::npos) << v2;
}

TEST_F(worker_limits_test, are_refused_by_name_to_a_user_who_may_not) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: root can be somebody else, this user cannot";
  const std::string refused = answer_after(
      [] { return ::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0; });
  EXPECT_NE(refused.find("limits of a worker"), std::string::npos) << refused;
  EXPECT_NE(refused.find("Permission denied"), std::string::npos) << refused;
  EXPECT_NE(refused.find(make_error_code(osvm::errc::unsupported).message()), std::string::npos) << refused;
}

}  // namespace
