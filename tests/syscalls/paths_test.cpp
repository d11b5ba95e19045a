// The guest's name space, and ways out of it that must not exist. Each escape is tried with the rule on and,
// as the control that proves the attempt would work, with exactly that rule off.
#include "syscalls/fixture.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace osvm::unikernel::testing {
namespace {

class paths : public ::testing::Test {
 protected:
  paths() {
    std::filesystem::create_directories(folder / "inside/sub");
    folder.write("secret", "secret");
    folder.write("inside/file", "granted");
    folder.write("inside/sub/deep", "deep");
  }
  policy granted(bool writable = false) const {
    policy p;
    p.mounts.push_back({folder / "inside", "/data", writable});
    return p;
  }
  temp_folder folder;
};

TEST_F(paths, a_mount_shows_its_files_and_nothing_else_exists) {
  guest g(granted());
  EXPECT_EQ(g.slurp("/data/file"), "granted");
  EXPECT_EQ(g.slurp("/data/sub/../sub/deep"), "deep");
  EXPECT_EQ(g.slurp("/data//sub/./deep"), "deep");
  EXPECT_EQ(g.slurp("/data/missing"), "errno 2");
  EXPECT_EQ(g.denied(), 0u);
  EXPECT_EQ(g.slurp("/etc/shadow"), "errno 2");
  const auto denials = g.state.denials();
  ASSERT_EQ(denials.size(), 1u);
  EXPECT_EQ(denials[0].what, "open /etc/shadow");
  EXPECT_EQ(denials[0].rule, "--ro HOST:/etc/shadow");
}

TEST_F(paths, dot_dot_stays_in_the_guests_tree) {
  guest g(granted());
  EXPECT_EQ(g.slurp("/data/../secret"), "errno 2");
  EXPECT_EQ(g.slurp("/data/sub/../../secret"), "errno 2");
  guest control(granted());
  control.state.rules.beneath = false;
  EXPECT_EQ(control.slurp("/data/../secret"), "secret");
}

}  // namespace
}  // namespace osvm::unikernel::testing
