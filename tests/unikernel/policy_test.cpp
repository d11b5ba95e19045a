// What policy grants and what it denies: files, listeners, connections, and the budgets.
#include "unikernel/guest_fixture.hpp"

#include <fstream>

namespace {

using namespace osvm;
using namespace osvm::test;

// In the host's /etc/passwd, but not in the synthetic one that guests see.
constexpr const char* host_passwd = "daemon:";

class policy_guest : public guest_test {
 protected:
  void SetUp() override {
    guest_test::SetUp();
    if (IsSkipped()) return;
    std::filesystem::create_directories(dir + "/data/sub");
    std::ofstream(dir + "/secret") << "secret";
    std::ofstream(dir + "/data/file") << "public";
    std::ofstream(dir + "/data/sub/inner") << "inner";
    std::filesystem::create_symlink(dir + "/secret", dir + "/data/absolute");
    std::filesystem::create_symlink("../secret", dir + "/data/relative");
    std::filesystem::create_symlink("sub/inner", dir + "/data/inside");
    std::filesystem::create_symlink("/proc/self/root", dir + "/data/root");
    std::filesystem::create_symlink("..", dir + "/data/up");
  }
  tweak mounted(bool writable = false) {
    return [this, writable](instance_options& o) { o.policy.mounts = {{dir + "/data", "/data", writable}}; };
  }
  static bool denied(const outcome& o, std::string_view what) {
    for (const auto& d : o.stats.denials)
      if (d.what.find(what) != std::string::npos && d.count > 0 && !d.rule.empty()) return true;
    return false;
  }
};

TEST_F(policy_guest, without_a_mount_there_are_no_host_files) {
  for (const char* path :
       {"/etc/passwd", "/etc/shadow", "/secret", "/data/file", "/proc/1/environ", "/dev/kvm", "/dev/mem",
        "/sys/kernel", "/proc/self/mem", "/proc/self/root/etc/passwd", "/proc/self/cwd/etc/passwd",
        "/proc/self/fd/0/../../etc/passwd", "/dev/fd/3", "../../../../etc/passwd"}) {
    const auto o = run("probe", {"read", path}).expect_exit(0);
    EXPECT_EQ(o.out.find(host_passwd), std::string::npos) << o.describe();
    if (std::string_view(path).find("/etc/passwd") == std::string_view::npos) {
      EXPECT_NE(o.out.find(" -"), std::string::npos) << o.describe();
    }
  }
}

TEST_F(policy_guest, a_denial_is_counted_and_names_its_rule) {
  const auto o = run("probe", {"read", "/etc/shadow"}).expect_exit(0);
  EXPECT_TRUE(denied(o, "/etc/shadow")) << o.describe();
}

TEST_F(policy_guest, a_mount_shows_its_files_and_nothing_else) {
  run("probe", {"read", "/data/file"}, mounted()).expect_exit(0).expect_output("content public\n");
  run("probe", {"read", "/data/sub/inner"}, mounted()).expect_output("content inner\n");
  run("probe", {"read", "/data/sub/../file"}, mounted()).expect_output("content public\n");
  run("probe", {"read", "/data/inside"}, mounted()).expect_output("content inner\n");
  run("probe", {"openat", "/data", "sub/inner"}, mounted()).expect_output_has("content inner");
  run("probe", {"chdir", "/data/sub", "inner"}, mounted()).expect_output_has("content inner");
  run("probe", {"list", "/data"}, mounted()).expect_output_has("entry file").expect_output_has("entry sub");
  run("probe", {"stat", "/data/file"}, mounted()).expect_output_has("size 6").expect_output_has("uid 1000");
}

TEST_F(policy_guest, no_path_leads_out_of_a_mount) {
  for (const char* path :
       {"/data/../secret", "/data/sub/../../secret", "/data/relative", "/data/absolute", "/data/up/secret",
        "/data/root/etc/passwd", "/data//..//secret", "/data/./../secret",
        "/data/sub/../../../../../../etc/passwd", "/data/up/up/up/up/etc/passwd"}) {
    const auto o = run("probe", {"read", path}, mounted()).expect_exit(0);
    EXPECT_EQ(o.out.find("secret"), std::string::npos) << o.describe();
    EXPECT_EQ(o.out.find(host_passwd), std::string::npos) << o.describe();
  }
  for (const char* below :
       {"../secret", "sub/../../secret", "relative", "absolute", "up/secret", "/secret"}) {
    const auto o = run("probe", {"openat", "/data", below}, mounted()).expect_exit(0);
    EXPECT_EQ(o.out.find("content"), std::string::npos) << o.describe();
  }
  const auto o = run("probe", {"chdir", "/data/sub", "../../secret"}, mounted()).expect_exit(0);
  EXPECT_EQ(o.out.find("content"), std::string::npos) << o.describe();
}

TEST_F(policy_guest, a_read_only_mount_stays_as_it_is) {
  const auto o = run("probe", {"tamper", "/data/file", "/data/new"}, mounted()).expect_exit(0);
  for (const char* call : {"open_write", "open_truncate", "truncate", "unlink", "rename", "link", "symlink",
                           "mkdir", "mknod", "create", "chmod", "chown"}) {
    EXPECT_LT(o.number(call).value_or(0), 0) << call << "\n" << o.describe();
  }
  std::ifstream in(dir + "/data/file");
  std::string text;
  in >> text;
  EXPECT_EQ(text, "public");
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(dir + "/data/new")));
}

TEST_F(policy_guest, a_writable_mount_takes_files_but_no_special_ones) {
  run("probe", {"write", "/data/new", "text"}, mounted(true)).expect_exit(0).expect_output_has("write 4");
  std::ifstream in(dir + "/data/new");
  std::string text;
  in >> text;
  EXPECT_EQ(text, "text");
  const auto o = run("probe", {"tamper", "/data/new", "/data/other"}, mounted(true)).expect_exit(0);
  EXPECT_LT(o.number("mknod").value_or(0), 0) << o.describe();
  struct stat s {};
  for (const auto& e : std::filesystem::directory_iterator(dir + "/data")) {
    ASSERT_EQ(::lstat(e.path().c_str(), &s), 0);
    EXPECT_FALSE(S_ISCHR(s.st_mode)) << e.path();
    EXPECT_EQ(s.st_mode & (S_ISUID | S_ISGID), 0u) << e.path();
  }
}

TEST_F(policy_guest, a_single_file_can_be_mounted) {
  const auto file = [this](instance_options& o) {
    o.policy.mounts = {{dir + "/data/file", "/config", false}};
  };
  run("probe", {"read", "/config"}, file).expect_output("content public\n");
  run("probe", {"read", "/config/../secret"}, file).expect_output_lacks("secret");
}

TEST_F(policy_guest, wrong_policies_are_refused_before_anything_runs) {
  const auto refused = [&](const tweak& change) {
    const auto guest = start("hello", {}, change);
    EXPECT_FALSE(guest.has_value());
    return guest ? osvm::error{} : guest.error();
  };
  const auto bad = unikernel::make_error_code(unikernel::errc::bad_policy);
  EXPECT_EQ(refused([](auto& o) { o.policy.mounts = {{"/nonexistent/x", "/data", false}}; }).code, bad);
  EXPECT_EQ(refused([this](auto& o) { o.policy.mounts = {{dir, "relative", false}}; }).code, bad);
  EXPECT_EQ(refused([this](auto& o) { o.policy.mounts = {{dir, "/a/../b", false}}; }).code, bad);
  refused([](auto& o) { o.budgets.memory_bytes = 0; });
  refused([](auto& o) { o.budgets.threads = 0; });
  refused([](auto& o) { o.budgets.descriptors = 0; });
  refused([](auto& o) {
    o.policy.listen = {{transport::tcp, 8080}};
    o.socket_dir.clear();
  });
}

TEST_F(policy_guest, listening_needs_a_grant) {
  const auto o = run("probe", {"listen", "8080", "0.0.0.0"}).expect_exit(0).expect_output_lacks("listen 0");
  EXPECT_TRUE(denied(o, "8080")) << o.describe();
  const auto other = run("probe", {"listen", "8081", "0.0.0.0"}, [](auto& op) {
    op.policy.listen = {{transport::tcp, 8080}};
  });
  EXPECT_EQ(other.out.find("listen 0"), std::string::npos) << other.describe();
  run("probe", {"listen", "8080"},
      [](auto& op) {
        op.policy.listen = {{transport::tcp, 8080}};
      })
      .expect_exit(0)
      .expect_output_has("listen 0");
}

TEST_F(policy_guest, the_hosts_network_is_out_of_reach) {
  for (const char* address : {"127.0.0.1", "169.254.169.254", "8.8.8.8"}) {
    const auto o = run("probe", {"connect", address, "80"}).expect_exit(0);
    EXPECT_EQ(o.out.find("connect 0"), std::string::npos) << o.describe();
  }
  const auto o = run("probe", {"sockets"}).expect_exit(0);
  for (const char* family : {"packet", "raw", "alg"}) EXPECT_LT(o.number(family).value_or(0), 0) << family;
}

// --- budgets, each with the raised limit that passes ---

TEST_F(policy_guest, memory) {
  const auto with = [](std::uint64_t mib) {
    return [mib](instance_options& o) { o.budgets.memory_bytes = mib << 20; };
  };
  const auto o = run("probe", {"allocate", "64"}, with(32));
  EXPECT_EQ(o.out.find("allocated"), std::string::npos) << o.describe();
  EXPECT_LE(o.stats.memory_peak_bytes, std::uint64_t{32} << 20);
  run("probe", {"allocate", "64"}, with(96)).expect_exit(0).expect_output("allocated\n");
}

// What the report says would grant this denial.
std::string rule_for(const outcome& o, std::string_view what) {
  for (const auto& d : o.stats.denials)
    if (d.what == what) return d.rule;
  return "not denied";
}

TEST_F(policy_guest, threads) {
  run("probe", {"parallel", "20"}, [](auto& o) { o.budgets.threads = 20; })
      .expect_exit(0)
      .expect_output("pthread_create -11\n");
  run("probe", {"parallel", "20"}, [](auto& o) { o.budgets.threads = 21; })
      .expect_exit(0)
      .expect_output("all met\n");
}

TEST_F(policy_guest, descriptors) {
  auto few = run("probe", {"descriptors", "10"}, [](auto& o) { o.budgets.descriptors = 12; });
  few.expect_output("dup -24\n");
  EXPECT_EQ(rule_for(few, "a descriptor beyond the budget"), "--descriptors N");
  run("probe", {"descriptors", "10"}, [](auto& o) { o.budgets.descriptors = 13; }).expect_output("opened\n");
}

TEST_F(policy_guest, written_bytes) {
  const std::string text(5000, 'x');
  const auto limited = [this](std::uint64_t bytes) {
    return [this, bytes](instance_options& o) {
      o.policy.mounts = {{dir + "/data", "/data", true}};
      o.budgets.written_bytes = bytes;
    };
  };
  const auto o = run("probe", {"write", "/data/new", text}, limited(4096));
  EXPECT_NE(o.number("write"), 5000) << o.describe();
  EXPECT_LE(std::filesystem::file_size(dir + "/data/new"), 4096u);
  EXPECT_EQ(rule_for(o, "a write beyond the budget"), "--max-written SIZE");
  EXPECT_EQ(run("probe", {"write", "/data/new", text}, limited(5000)).number("write"), 5000);
}

TEST_F(policy_guest, cpu_time) {
  const auto begin = std::chrono::steady_clock::now();
  run("stubborn", {"spin"}, [](auto& o) { o.budgets.cpu_time = 150ms; }).expect_cause(exit_cause::cpu_budget);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 140ms);
  run("probe", {"burn", "100"}, [](auto& o) { o.budgets.cpu_time = 60s; })
      .expect_exit(0)
      .expect_output("burnt\n");
  // Time asleep is no CPU time.
  run("probe", {"nap", "300"}, [](auto& o) { o.budgets.cpu_time = 200ms; })
      .expect_exit(0)
      .expect_output("rested\n");
}

TEST_F(policy_guest, cpu_time_of_all_threads_counts_together) {
  run("stubborn", {"everything"}, [](auto& o) {
    o.budgets.cpu_time = 300ms;
  }).expect_cause(exit_cause::cpu_budget);
}

TEST_F(policy_guest, wall_time) {
  for (const char* place : {"spin", "sleeping", "epoll", "futex", "pipe_read"}) {
    const auto begin = std::chrono::steady_clock::now();
    const auto o = run("stubborn", {place}, [](auto& op) { op.budgets.wall_time = 200ms; });
    EXPECT_EQ(o.report.cause, exit_cause::wall_budget) << o.describe();
    EXPECT_EQ(o.report.shell_status(), 137);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 190ms) << place;
  }
  run("probe", {"nap", "50"}, [](auto& o) { o.budgets.wall_time = 30s; })
      .expect_exit(0)
      .expect_output("rested\n");
}

}  // namespace
