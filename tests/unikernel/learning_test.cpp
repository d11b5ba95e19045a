// Policies learned from runs: narrow, and enough.
#include "unikernel/guest_fixture.hpp"

#include <osvm/unikernel/policy_file.hpp>

#include <fstream>

namespace {

using namespace osvm;
using namespace osvm::test;
using unikernel::learned_policy;
using unikernel::learning;

class learn : public guest_test {
 protected:
  void SetUp() override {
    guest_test::SetUp();
    if (IsSkipped()) return;
    std::filesystem::create_directories(dir + "/data/sub");
    std::ofstream(dir + "/data/file") << "public";
    std::ofstream(dir + "/data/sub/inner") << "inner";
    std::filesystem::create_symlink("sub/inner", dir + "/data/link");
  }
  learned_policy learn_from(const std::string& name, std::vector<std::string> arguments, learning mode) {
    auto guest = start(name, std::move(arguments), [&](instance_options& o) { o.learn = mode; });
    if (!guest) {
      ADD_FAILURE() << guest.error().to_string();
      return {};
    }
    last = finish(*guest, name);
    return guest->learned().value();
  }
  // The same program under a policy that went through its file form.
  outcome run_under(const learned_policy& learned, const std::string& name,
                    std::vector<std::string> arguments) {
    const auto file = unikernel::parse_policy(unikernel::format_policy(learned.policy)).value();
    return run(name, std::move(arguments), [&](instance_options& o) {
      o.policy = file.granted;
      o.budgets = file.limits;
    });
  }
  outcome last;
};

TEST_F(learn, what_was_used_is_exactly_what_is_granted) {
  const std::vector<std::string> arguments{"read", dir + "/data/file"};
  const auto learned = learn_from("probe", arguments, learning::allow_all);
  last.expect_exit(0).expect_output("content public\n");
  const auto& granted = learned.policy.granted;
  ASSERT_EQ(granted.mounts.size(), 1u) << unikernel::format_policy(learned.policy);
  EXPECT_EQ(granted.mounts[0].host_path, dir + "/data/file");
  EXPECT_EQ(granted.mounts[0].guest_path, dir + "/data/file");
  EXPECT_FALSE(granted.mounts[0].writable);
  EXPECT_FALSE(granted.allow.jit);
  EXPECT_TRUE(granted.listen.empty());
  run_under(learned, "probe", arguments).expect_exit(0).expect_output("content public\n");
  // Narrow: nothing beside it.
  run_under(learned, "probe", {"read", dir + "/data/sub/inner"}).expect_output("open -2\n");
}

TEST_F(learn, a_link_is_granted_as_the_file_that_it_led_to) {
  const auto learned = learn_from("probe", {"read", dir + "/data/link"}, learning::allow_all);
  run_under(learned, "probe", {"read", dir + "/data/link"}).expect_exit(0).expect_output("content inner\n");
}

TEST_F(learn, writing_and_listing) {
  const std::vector<std::string> make{"write", dir + "/data/new", "text"};
  const auto learned = learn_from("probe", make, learning::allow_all);
  last.expect_exit(0);
  ASSERT_EQ(learned.policy.granted.mounts.size(), 1u) << unikernel::format_policy(learned.policy);
  EXPECT_EQ(learned.policy.granted.mounts[0].host_path, dir + "/data");
  EXPECT_TRUE(learned.policy.granted.mounts[0].writable);
  std::filesystem::remove(dir + "/data/new");
  EXPECT_EQ(run_under(learned, "probe", make).expect_exit(0).out, last.out);
  EXPECT_TRUE(std::filesystem::exists(dir + "/data/new"));

  const auto listed = learn_from("probe", {"list", dir + "/data"}, learning::allow_all);
  EXPECT_EQ(run_under(listed, "probe", {"list", dir + "/data"}).expect_exit(0).out, last.out);
  ASSERT_EQ(listed.policy.granted.mounts.size(), 1u);
  EXPECT_FALSE(listed.policy.granted.mounts[0].writable);
}

TEST_F(learn, denials_alone_grant_nothing_and_tell_what_is_missing) {
  const std::vector<std::string> arguments{"read", dir + "/data/file"};
  const auto learned = learn_from("probe", arguments, learning::denials);
  last.expect_output("open -2\n");
  ASSERT_EQ(learned.policy.granted.mounts.size(), 1u);
  EXPECT_EQ(learned.policy.granted.mounts[0].host_path, dir + "/data/file");
  run_under(learned, "probe", arguments).expect_exit(0).expect_output("content public\n");
  // What the host does not have or must not give is no grant.
  const auto nothing = learn_from("probe", {"read", "/proc/1/environ"}, learning::denials);
  EXPECT_TRUE(nothing.policy.granted.mounts.empty());
  ASSERT_EQ(nothing.notes.size(), 1u);
  EXPECT_NE(nothing.notes[0].find("/proc/1/environ"), std::string::npos);
}

TEST_F(learn, listeners) {
  const auto denied = learn_from("probe", {"listen", "8099", "0.0.0.0"}, learning::denials);
  ASSERT_EQ(denied.policy.granted.listen.size(), 1u) << unikernel::format_policy(denied.policy);
  EXPECT_EQ(denied.policy.granted.listen[0], (unikernel::listener{transport::tcp, 8099}));
  const auto used = learn_from("probe", {"listen", "8099", "0.0.0.0"}, learning::allow_all);
  EXPECT_EQ(used.policy.granted.listen, denied.policy.granted.listen);
  EXPECT_EQ(run_under(used, "probe", {"listen", "8099", "0.0.0.0"}).out, last.out);
}

TEST_F(learn, jit_is_learned_when_it_is_used) {
  const auto denied = learn_from("write_execute", {"mprotect"}, learning::denials);
  EXPECT_TRUE(denied.policy.granted.allow.jit) << unikernel::format_policy(denied.policy);
}

TEST_F(learn, the_hosts_kernel_files_stay_out_of_reach) {
  const auto learned = learn_from("probe", {"read", "/proc/1/environ"}, learning::allow_all);
  last.expect_output("open -2\n");
  EXPECT_TRUE(learned.policy.granted.mounts.empty()) << unikernel::format_policy(learned.policy);
}

TEST_F(learn, off_is_an_error) {
  auto guest = start("hello");
  ASSERT_TRUE(guest);
  EXPECT_EQ(guest->learned().error().code, osvm::errc::invalid_argument);
}

}  // namespace
