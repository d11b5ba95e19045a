// Programs that run natively and inside a VM with equal output and end: tests/unikernel/conformance, one
// topic a file.
#include "unikernel/guest_fixture.hpp"

#include <osvm/core/unique_fd.hpp>

#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>

namespace {

using namespace osvm;
using namespace osvm::test;

struct ending {
  std::string out;
  int status = -1;  // as a shell prints it
};

// The same program as an ordinary process.
ending run_natively(const std::string& path, const std::vector<std::string>& arguments) {
  ending e;
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return e;
  const unique_fd from(pipe_ends[0]);
  unique_fd to(pipe_ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, to.get(), 1);
  // A VM starts with three descriptors; whatever this test inherited must not make the native run differ.
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  std::vector<char*> argv;
  std::vector<std::string> words = arguments;
  words.insert(words.begin(), path);
  for (auto& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  char* environment[] = {nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, path.c_str(), &actions, nullptr, argv.data(), environment);
  ::posix_spawn_file_actions_destroy(&actions);
  to.reset();
  if (failed != 0) return e;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(from.get(), buffer, sizeof buffer)) > 0;)
    e.out.append(buffer, static_cast<std::size_t>(n));
  int status = 0;
  if (::waitpid(child, &status, 0) == child)
    e.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return e;
}

struct way {
  std::string program;
  bool exitless = false;  // system calls answered in shared memory
};

class conformance : public guest_test, public ::testing::WithParamInterface<way> {
 protected:
  static void set_way(instance_options& o) { o.exitless = GetParam().exitless; }
  // A program whose name ends in _work gets an empty folder to work in, at one path natively and inside.
  void expect_same_in_folder(const std::string& program_name) {
    const std::string work = dir + "/work";
    std::filesystem::create_directory(work);
    const ending native = run_natively(program_path(program_name), {work});
    std::filesystem::remove_all(work);
    std::filesystem::create_directory(work);
    const auto inside = run(program_name, {work}, [&](instance_options& o) {
      o.policy.mounts.push_back({work, work, true});
      set_way(o);
    });
    EXPECT_EQ(inside.out, native.out) << inside.describe();
    EXPECT_EQ(inside.report.shell_status(), native.status) << inside.describe();
  }
  void expect_same(const std::string& program_name, const std::vector<std::string>& arguments) {
    if (program_name.ends_with("_work")) return expect_same_in_folder(program_name);
    const ending native = run_natively(program_path(program_name), arguments);
    const auto inside = run(program_name, arguments, set_way);
    EXPECT_EQ(inside.out, native.out) << inside.describe();
    EXPECT_EQ(inside.report.shell_status(), native.status) << inside.describe();
  }
};

std::vector<way> programs(bool exitless) {
  std::vector<way> all;
  for (const auto& entry : std::filesystem::directory_iterator(OSVM_GUEST_DIR)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("conformance_") && entry.is_regular_file())
      all.push_back({name.substr(12), exitless});
  }
  std::ranges::sort(all, {}, &way::program);
  return all;
}

// A program whose name ends in _modes answers `modes` with a list and is run once for each: most ends are
// final.
TEST_P(conformance, same_as_native) {
  const std::string name = "conformance_" + GetParam().program;
  if (!name.ends_with("_modes")) {
    expect_same(name, {});
    return;
  }
  const ending modes = run_natively(program_path(name), {"modes"});
  ASSERT_TRUE(modes.status == 0 && modes.out.starts_with("modes:")) << modes.out;
  std::size_t at = 6;
  while (at < modes.out.size()) {
    const auto from = modes.out.find_first_not_of(" \n", at);
    if (from == std::string::npos) break;
    const auto to = std::min(modes.out.find_first_of(" \n", from), modes.out.size());
    SCOPED_TRACE(modes.out.substr(from, to - from));
    expect_same(name, {modes.out.substr(from, to - from)});
    at = to;
  }
}
std::string name_of(const ::testing::TestParamInfo<way>& p) {
  return p.param.program;
}
INSTANTIATE_TEST_SUITE_P(each, conformance, ::testing::ValuesIn(programs(false)), name_of);
INSTANTIATE_TEST_SUITE_P(exitless, conformance, ::testing::ValuesIn(programs(true)), name_of);

}  // namespace
