// Several processes in one instance: their budgets, their ends, and what an instance leaves behind.
#include "unikernel/guest_fixture.hpp"

#include <csignal>
#include <functional>
#include <thread>

namespace {

using namespace osvm;
using namespace osvm::test;

class guest_processes : public guest_test {};

std::size_t entries(const char* folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

bool becomes_true(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

bool has_denial(const outcome& o, std::string_view what, std::string_view rule) {
  for (const auto& d : o.stats.denials) {
    if (d.what.find(what) != std::string::npos && d.rule.find(rule) != std::string::npos) return true;
  }
  return false;
}

TEST_F(guest_processes, a_fork_bomb_stops_at_the_budget_and_says_what_would_grant_more) {
  const auto o = run("processes", {"bomb"}, [](auto& op) { op.budgets.processes = 5; }).expect_exit(0);
  EXPECT_EQ(o.number("made"), 4) << o.describe();
  EXPECT_EQ(o.number("errno"), EAGAIN);
  EXPECT_TRUE(has_denial(o, "fork", "--processes"));
  EXPECT_EQ(o.stats.processes_started, 5u);
  EXPECT_EQ(o.stats.threads, 0u) << "the children ended with the first process";
}

TEST_F(guest_processes, threads_of_all_processes_count_together) {
  const auto o = run("processes", {"bomb"}, [](auto& op) { op.budgets.threads = 4; }).expect_exit(0);
  EXPECT_EQ(o.number("made"), 3) << o.describe();
  EXPECT_TRUE(has_denial(o, "fork", "--threads"));
}

TEST_F(guest_processes, one_process_is_a_budget_too) {
  const auto o = run("processes", {"bomb"}, [](auto& op) { op.budgets.processes = 1; }).expect_exit(0);
  EXPECT_EQ(o.number("made"), 0) << o.describe();
}

TEST_F(guest_processes, zombies_count_until_they_are_waited_for) {
  const auto o = run("processes", {"zombies"}, [](auto& op) { op.budgets.processes = 6; }).expect_exit(0);
  EXPECT_EQ(o.number("made"), 5) << o.describe();
  EXPECT_EQ(o.number("taken"), 5);
  EXPECT_EQ(o.number("again"), 1);
}

TEST_F(guest_processes, a_tree_of_forks_is_killed_as_a_whole) {
  auto guest = start("processes", {"tree_bomb"}, [](auto& o) { o.budgets.processes = 12; });
  ASSERT_TRUE(guest) << guest.error().to_string();
  ASSERT_TRUE(becomes_true([&] { return guest->stats().processes_started >= 12; }));
  guest->kill();
  const auto end = guest->wait(patience);
  ASSERT_TRUE(end) << end.error().to_string();
  EXPECT_EQ(end->cause, exit_cause::killed);
  EXPECT_EQ(guest->stats().threads, 0u);
}

TEST_F(guest_processes, time_budgets_end_all_processes) {
  run("processes", {"spin"}, [](auto& o) {
    o.budgets.wall_time = 300ms;
  }).expect_cause(exit_cause::wall_budget);
  run("processes", {"spin"}, [](auto& o) {
    o.budgets.cpu_time = 300ms;
  }).expect_cause(exit_cause::cpu_budget);
}

TEST_F(guest_processes, memory_of_all_processes_counts_together) {
  run("processes", {"memory"}, [](auto& o) {
    o.budgets.memory_bytes = 64 << 20;
  }).expect_cause(exit_cause::memory_budget);
  auto guest = start("processes", {"memory"}, [](auto& o) { o.budgets.memory_bytes = 256 << 20; });
  ASSERT_TRUE(guest) << guest.error().to_string();
  ASSERT_TRUE(becomes_true([&] { return guest->stats().memory_bytes >= (96U << 20); }));
  guest->kill();
  EXPECT_TRUE(guest->wait(patience));
}

TEST_F(guest_processes, descriptors_of_all_processes_are_bounded) {
  const auto o =
      run("processes", {"descriptors"}, [](auto& op) { op.budgets.descriptors = 20; }).expect_exit(0);
  ASSERT_TRUE(o.number("opened")) << o.describe();
  EXPECT_LE(*o.number("opened"), 80) << "four times what one may hold";
  EXPECT_GT(*o.number("opened"), 40);
}

TEST_F(guest_processes, a_child_that_faults_ends_alone) {
  const auto o = run("processes", {"attack"}).expect_exit(0);
  EXPECT_EQ(o.number("signal"), SIGSEGV) << o.describe();
}

TEST_F(guest_processes, the_instance_ends_with_its_first_process) {
  const auto o = run("processes", {"leave"}).expect_exit(3);
  EXPECT_EQ(o.stats.threads, 0u);
}

TEST_F(guest_processes, a_program_can_be_replaced_again_and_again) {
  run("processes", {"exec", "200"}).expect_exit(0).expect_output("through\n");
  auto guest = start("processes", {"exec_forever"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  EXPECT_FALSE(guest->wait(200ms));
  guest->kill();
  EXPECT_TRUE(guest->wait(patience));
}

TEST_F(guest_processes, a_file_that_the_guest_can_change_needs_the_right_to_make_code) {
  const std::string folder = dir + "/mount";
  std::filesystem::create_directory(folder);
  std::filesystem::copy_file(program_path("hello"), folder + "/hello");
  const auto mounted = [&](bool writable, bool jit) {
    return [&folder, writable, jit](instance_options& o) {
      o.policy.mounts = {{folder, "/m", writable}};
      o.policy.allow.jit = jit;
    };
  };
  const auto refused = run("processes", {"run", "/m/hello"}, mounted(true, false)).expect_exit(0);
  EXPECT_EQ(refused.number("status"), 101) << refused.describe();
  EXPECT_TRUE(has_denial(refused, "execve /m/hello", "--allow jit"));
  EXPECT_EQ(run("processes", {"run", "/m/hello"}, mounted(true, true)).number("status"), 0);
  const auto granted = run("processes", {"run", "/m/hello"}, mounted(false, false)).expect_exit(0);
  EXPECT_EQ(granted.number("status"), 0) << granted.describe();
  EXPECT_TRUE(granted.out.find("hello") != std::string::npos) << granted.describe();
}

TEST_F(guest_processes, a_program_that_changes_is_run_as_it_is_now) {
  const std::string folder = dir + "/mount";
  std::filesystem::create_directory(folder);
  std::filesystem::copy_file(program_path("processes"), folder + "/source");
  const auto o = run("processes", {"rewrite", "/m"}, [&](auto& op) {
                   op.policy.mounts = {{folder, "/m", true}};
                   op.policy.allow.jit = true;
                 }).expect_exit(0);
  EXPECT_EQ(o.number("wrong"), 0) << o.describe();
}

TEST_F(guest_processes, what_is_no_program_is_refused_by_its_errno) {
  const std::string folder = dir + "/mount";
  std::filesystem::create_directory(folder);
  const auto status = [&](const std::string& name, const std::string& content, mode_t mode) {
    const std::string path = folder + "/" + name;
    {
      const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
      EXPECT_EQ(::write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
      ::fchmod(fd, mode);
      ::close(fd);
    }
    return run("processes", {"run", "/m/" + name},
               [&](auto& o) {
                 o.policy.mounts = {{folder, "/m", false}};
               })
        .number("status");
  };
  EXPECT_EQ(status("text", "no program\n", 0755), 104);
  EXPECT_EQ(status("empty", "", 0755), 104);
  EXPECT_EQ(status("elf",
                   "\x7f"
                   "ELF\2\1\1 and nothing more",
                   0755),
            104);
  EXPECT_EQ(status("plain", "#!/m/text\n", 0644), 101);
  EXPECT_EQ(status("script", "#!/nowhere/interpreter\n", 0755), 102);
  EXPECT_EQ(status("nothing", "#!\n", 0755), 104);
  EXPECT_EQ(status("loop", "#!/m/loop\n", 0755), 100);
  EXPECT_EQ(run("processes", {"run", "/m"},
                [&](auto& o) {
                  o.policy.mounts = {{folder, "/m", false}};
                })
                .number("status"),
            101);
}

TEST_F(guest_processes, a_script_runs_its_interpreter) {
  const std::string folder = dir + "/mount";
  std::filesystem::create_directory(folder);
  std::filesystem::copy_file(program_path("hello"), folder + "/hello");
  {
    const int fd = ::open((folder + "/script").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
    const std::string_view text = "#! /m/hello  one argument \nrest\n";
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(fd);
  }
  const auto o = run("processes", {"run", "/m/script"}, [&](auto& op) {
                   op.policy.mounts = {{folder, "/m", false}};
                 }).expect_exit(0);
  EXPECT_EQ(o.number("status"), 0) << o.describe();
}

// Counted where the VMs are: in this process, when no worker has them.
TEST_F(guest_processes, many_children_leave_nothing) {
  (void)run("processes", {"churn", "20"});
  const auto descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
  const auto o = run("processes", {"churn", "250"}).expect_exit(0);
  EXPECT_EQ(o.stats.processes_started, 251u);
  EXPECT_EQ(entries("/proc/self/fd"), descriptors);
  EXPECT_EQ(entries("/proc/self/task"), threads);
}

TEST_F(guest_processes, killed_at_random_moments_they_leave_nothing) {
  (void)run("processes", {"churn", "20"});
  const auto descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
  for (int i = 0; i < 25; ++i) {
    auto guest = start("processes", {i % 2 ? "churn" : "tree_bomb", "100000"},
                       [](auto& o) { o.budgets.processes = 8; });
    ASSERT_TRUE(guest) << guest.error().to_string();
    (void)guest->wait(std::chrono::microseconds(997 * i));
  }
  EXPECT_EQ(entries("/proc/self/fd"), descriptors);
  EXPECT_EQ(entries("/proc/self/task"), threads);
}

}  // namespace
