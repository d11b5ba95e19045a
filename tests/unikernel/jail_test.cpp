// What a program could still do that had broken out of its VM into a jailed worker: each attempt by itself,
// beside its control, the same attempt with the one rule that stops it left out.
#include "unikernel/jail/jail.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string_view>

namespace {

using namespace osvm;
using unikernel::jail_rules;

struct scene {
  std::string dir;         // granted: dir/in, read-only, and dir/out, writable
  int in = -1, out = -1;   // as the file tree holds them
  std::uint16_t port = 0;  // of a listener on the loopback that the guest was not granted
};

struct attempt {
  const char* name;
  bool jail_rules::*rule;  // stops it
  std::function<bool(const scene&)> succeeds;
  std::vector<bool jail_rules::*> also_off = {};  // would stop it as well
};

bool opens(int folder, const char* path, int flags) {
  const unique_fd fd(::openat(folder, path, flags | O_CLOEXEC, 0600));
  return static_cast<bool>(fd);
}

bool makes_socket(int family) {
  const unique_fd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return static_cast<bool>(fd);
}

bool connects_abstract(const scene& s) {
  const unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const int n = std::snprintf(to.sun_path + 1, sizeof to.sun_path - 1, "%s", s.dir.c_str());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<std::size_t>(n));
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) == 0;
}

bool reads_parents_memory(const scene& s) {
  char here = 0;
  const iovec local{&here, 1}, remote{const_cast<scene*>(&s), 1};
  return ::process_vm_readv(::getppid(), &local, 1, &remote, 1, 0) == 1;
}

bool connects(std::uint16_t port) {
  const unique_fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

bool limits_its_parent() {
  rlimit now{};
  return ::prlimit(::getppid(), RLIMIT_CORE, nullptr, &now) == 0;
}

bool forks() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  if (child > 0) ::waitpid(child, nullptr, 0);
  return child > 0;
}

bool raises_core_limit() {
  const rlimit some{.rlim_cur = 4096, .rlim_max = 4096};
  return ::setrlimit(RLIMIT_CORE, &some) == 0;
}

bool opens_descriptors(int count) {
  for (int i = 0; i < count; ++i)
    if (::dup(2) < 0) return false;
  return true;
}

const std::vector<attempt>& attempts() {
  static const std::vector<attempt> all{
      {"sees_files_by_path", &jail_rules::namespaces,
       [](const scene&) { return ::access("/etc/passwd", F_OK) == 0; }},
      {"reaches_abstract_sockets", &jail_rules::namespaces, connects_abstract, {&jail_rules::landlock}},
      {"reaches_abstract_sockets_of_its_network",
       &jail_rules::landlock,
       connects_abstract,
       {&jail_rules::namespaces}},
      {"leaves_a_granted_folder", &jail_rules::landlock,
       [](const scene& s) { return opens(s.in, "../secret", O_RDONLY); }},
      {"writes_what_is_read_only", &jail_rules::landlock,
       [](const scene& s) { return opens(s.in, "file", O_WRONLY); }},
      {"creates_where_it_may_only_read", &jail_rules::landlock,
       [](const scene& s) { return opens(s.in, "new", O_WRONLY | O_CREAT); }},
      {"makes_devices",
       &jail_rules::capabilities,
       [](const scene& s) { return ::mknodat(s.out, "null", S_IFCHR | 0600, 0x103) == 0; },
       {&jail_rules::calls, &jail_rules::landlock}},
      {"changes_the_host_name",
       &jail_rules::capabilities,
       [](const scene&) { return ::sethostname("x", 1) == 0; },
       {&jail_rules::calls}},
      {"becomes_another_user",
       &jail_rules::capabilities,
       [](const scene&) { return ::setuid(65534) == 0; },
       {&jail_rules::calls}},
      {"starts_processes", &jail_rules::calls, [](const scene&) { return forks(); }},
      {"traces", &jail_rules::calls,
       [](const scene&) { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0; }},
      {"reads_memory_of_others",
       &jail_rules::calls,
       reads_parents_memory,
       {&jail_rules::capabilities, &jail_rules::landlock}},
      {"signals_other_processes",
       &jail_rules::calls,
       [](const scene&) { return ::kill(::getppid(), 0) == 0; },
       {&jail_rules::landlock, &jail_rules::capabilities}},
      {"makes_the_kernel_signal_other_processes",
       &jail_rules::calls,
       [](const scene& s) {
         const unique_fd fd(::openat(s.in, "file", O_RDONLY | O_CLOEXEC));
         return ::fcntl(fd.get(), F_SETOWN, ::getppid()) == 0;
       },
       {&jail_rules::landlock}},
      {"touches_limits_of_other_processes",
       &jail_rules::calls,
       [](const scene&) { return limits_its_parent(); },
       {&jail_rules::landlock, &jail_rules::capabilities}},
      {"connects_to_ports_that_are_not_granted", &jail_rules::landlock,
       [](const scene& s) { return connects(s.port); }},
      {"makes_network_sockets", &jail_rules::calls, [](const scene&) { return makes_socket(AF_INET); }},
      {"makes_netlink_sockets", &jail_rules::calls, [](const scene&) { return makes_socket(AF_NETLINK); }},
      {"leaves_core_files",
       &jail_rules::limits,
       [](const scene&) { return raises_core_limit(); },
       {&jail_rules::capabilities}},
      {"takes_all_descriptors", &jail_rules::limits, [](const scene&) { return opens_descriptors(4000); }},
  };
  return all;
}

enum outcome { succeeded = 10, failed = 11, unsupported = 12, broken = 13 };

class jail : public ::testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/osvm-jail-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    scene_.dir = name;
    std::filesystem::create_directory(scene_.dir + "/in");
    std::filesystem::create_directory(scene_.dir + "/out");
    std::ofstream(scene_.dir + "/secret") << "secret";
    std::ofstream(scene_.dir + "/in/file") << "file";
    in_.reset(::open((scene_.dir + "/in").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    out_.reset(::open((scene_.dir + "/out").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    scene_.in = in_.get();
    scene_.out = out_.get();
    listen_abstract();
    listen_on_loopback();
  }
  void TearDown() override { std::filesystem::remove_all(scene_.dir); }

  void listen_abstract() {
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    const int n = std::snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "%s", scene_.dir.c_str());
    const auto size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<std::size_t>(n));
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at), size), 0);
    ASSERT_EQ(::listen(listener_.get(), 8), 0);
  }

  void listen_on_loopback() {
    tcp_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    ASSERT_EQ(::bind(tcp_.get(), reinterpret_cast<const sockaddr*>(&at), size), 0);
    ASSERT_EQ(::listen(tcp_.get(), 8), 0);
    ASSERT_EQ(::getsockname(tcp_.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    scene_.port = ntohs(at.sin_port);
  }

  // In a process of its own, which the jail may ruin.
  int in_jail(const jail_rules& rules, const attempt& a) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(20);
      unikernel::host_access needs;
      if (std::string_view(a.name).starts_with("connects_")) needs.ports = {1};
      needs.files = {{.fd = scene_.in, .writable = false, .directory = true},
                     {.fd = scene_.out, .writable = true, .directory = true}};
      needs.socket_dir = scene_.dir + "/out";
      const auto done = unikernel::enter_jail(needs, {}, rules);
      if (!done) {
        std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
        ::_exit(done.error().code == make_error_code(unikernel::errc::isolation_unsupported) ? unsupported
                                                                                             : broken);
      }
      ::_exit(a.succeeds(scene_) ? succeeded : failed);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  scene scene_;
  unique_fd in_, out_, listener_, tcp_;
};

TEST_P(jail, stops_the_attempt_and_does_not_without_its_rule) {
  const attempt& a = attempts()[GetParam()];
  jail_rules rules;
  const int whole = in_jail(rules, a);
  if (whole == unsupported)
    GTEST_SKIP() << "SKIPPED: this host cannot make a jail; what it lacks stands above";
  EXPECT_EQ(whole, failed) << a.name << " in the whole jail";
  for (const auto other : a.also_off) rules.*other = false;
  EXPECT_EQ(in_jail(rules, a), failed) << a.name << " by its rule alone";
  rules.*a.rule = false;
  EXPECT_EQ(in_jail(rules, a), succeeded) << a.name << " without the rule";
}

INSTANTIATE_TEST_SUITE_P(each, jail, ::testing::Range(std::size_t{0}, attempts().size()),
                         [](const auto& info) { return attempts()[info.param].name; });

// What the guest needs goes on working.
TEST_F(jail, leaves_what_is_granted) {
  const attempt reads{"", nullptr, [](const scene& s) { return opens(s.in, "file", O_RDONLY); }};
  const attempt writes{"", nullptr, [](const scene& s) { return opens(s.out, "new", O_WRONLY | O_CREAT); }};
  const attempt sockets{"", nullptr, [](const scene& s) {
                          const unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
                          sockaddr_un at{};
                          at.sun_family = AF_UNIX;
                          std::snprintf(at.sun_path, sizeof at.sun_path, "%s/out/s", s.dir.c_str());
                          return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
                        }};
  for (const attempt* a : {&reads, &writes, &sockets}) EXPECT_EQ(in_jail({}, *a), succeeded);
}

}  // namespace
