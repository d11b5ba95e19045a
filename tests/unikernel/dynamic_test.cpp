// Dynamic programs of the distribution in VMs: where their loader comes from, what they are granted, how they
// fail.
#include "unikernel/guest_fixture.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

namespace {

using namespace osvm;
using namespace osvm::test;
namespace fs = std::filesystem;

class dynamic : public guest_test {
 protected:
  result<instance> start_host(const std::string& path, std::vector<std::string> arguments,
                              const tweak& change = {}) {
    OSVM_TRY(const auto image, unikernel::image::load(path));
    instance_options o = options(fs::path(path).filename(), std::move(arguments));
    o.grant_libraries = true;
    if (change) change(o);
    return instance::create(loop().get_executor(), image, std::move(o));
  }
  outcome run_host(const std::string& path, std::vector<std::string> arguments, const tweak& change = {}) {
    auto guest = start_host(path, std::move(arguments), change);
    if (guest) return finish(*guest, path);
    ADD_FAILURE() << path << ": " << guest.error().to_string();
    return {.what = path};
  }
  // What `program` needs, copied below `dir`/root at the same paths.
  std::string root_with(const std::string& program) {
    const auto image = unikernel::image::load(program).value();
    for (const auto& g : unikernel::find_libraries(image).value().granted) {
      const fs::path to = dir + "/root" + g.guest_path;
      fs::create_directories(to.parent_path());
      fs::copy_file(g.host_path, to);
    }
    return dir + "/root";
  }
};

TEST_F(dynamic, program_runs_with_what_its_file_names) {
  auto o = run_host("/usr/bin/basename", {"/a/b"}).expect_exit(0).expect_output("b\n");
  EXPECT_TRUE(o.stats.denials.empty()) << o.stats.denials[0].what;
  EXPECT_TRUE(o.stats.refused.empty());
  ASSERT_GE(o.stats.granted.size(), 3u);
  EXPECT_EQ(o.stats.granted[1].guest_path, "/lib64/ld-linux-x86-64.so.2");
}

TEST_F(dynamic, program_without_grants_is_an_error_that_names_the_loader) {
  const auto guest = start_host("/usr/bin/expr", {}, [](auto& o) { o.grant_libraries = false; });
  ASSERT_FALSE(guest);
  EXPECT_EQ(guest.error().code, unikernel::make_error_code(unikernel::errc::bad_loader));
  EXPECT_NE(guest.error().to_string().find("/lib64/ld-linux-x86-64.so.2"), std::string::npos);
}

TEST_F(dynamic, loader_and_libraries_of_a_mounted_root_are_used) {
  const std::string root = root_with("/usr/bin/expr");
  const auto in_root = [&](auto& o) {
    o.grant_libraries = false;
    o.executable = "/usr/bin/expr";
    o.policy.mounts.push_back({root, "/", false});
  };
  auto o = run_host("/usr/bin/expr", {"6", "*", "7"}, in_root).expect_exit(0).expect_output("42\n");
  EXPECT_TRUE(o.stats.granted.empty());
  // With libraries granted as well, what the mount holds stays the mount's.
  auto both = run_host("/usr/bin/expr", {"1", "+", "1"}, [&](auto& op) {
                in_root(op);
                op.grant_libraries = true;
              }).expect_exit(0);
  EXPECT_TRUE(both.stats.granted.empty());
}

TEST_F(dynamic, loader_below_a_writable_mount_needs_jit) {
  const std::string root = root_with("/usr/bin/expr");
  const auto writable = [&](auto& o) {
    o.grant_libraries = false;
    o.policy.mounts.push_back({root, "/", true});
  };
  const auto refused = start_host("/usr/bin/expr", {}, writable);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().to_string().find("jit"), std::string::npos);
  run_host("/usr/bin/expr", {"6", "*", "7"}, [&](auto& o) {
    writable(o);
    o.policy.allow.jit = true;
  }).expect_output("42\n");
}

TEST_F(dynamic, another_program_needs_a_grant_of_its_files) {
  const auto refused = run_host("/usr/bin/env", {"/usr/bin/true"}).expect_exit(127);
  ASSERT_FALSE(refused.stats.denials.empty());
  EXPECT_NE(refused.stats.denials[0].what.find("/usr/bin/true"), std::string::npos)
      << refused.stats.denials[0].what;
  const auto granted = [](auto& o) {
    for (const char* folder : {"/usr", "/bin", "/lib", "/lib64", "/etc"})
      o.policy.mounts.push_back({folder, folder, false});
  };
  run_host("/usr/bin/env", {"/usr/bin/true"}, granted).expect_exit(0);
  const auto o =
      run_host("/usr/bin/timeout", {"10", "/bin/sh", "-c", "echo $((6 * 7)) | /usr/bin/tr 4 x"}, granted)
          .expect_exit(0)
          .expect_output("x2\n");
  EXPECT_GE(o.stats.processes_started, 3u);
}

TEST_F(dynamic, working_directory_is_the_guests) {
  fs::create_directories(dir + "/d/sub");
  run_host("/usr/bin/pwd", {}, [&](auto& o) {
    o.policy.mounts.push_back({dir + "/d", "/data", false});
    o.working_directory = "/data/sub";
  }).expect_output("/data/sub\n");
}

}  // namespace
