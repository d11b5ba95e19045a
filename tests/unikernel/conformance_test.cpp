// Programs of conformance/: natively and inside a VM they must print the same and end the same.
#include "unikernel/guest_fixture.hpp"

#include <sys/wait.h>

#include <cstdio>

namespace {

using namespace osvm;
using namespace osvm::test;

std::vector<std::string> programs() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(OSVM_GUEST_DIR)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("conformance_") && entry.path().extension().empty()) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

class conformance : public guest_test, public ::testing::WithParamInterface<std::string> {};

TEST_P(conformance, inside_is_as_outside) {
  const std::string& name = GetParam();
  FILE* native = ::popen(("timeout 60 " + program_path(name) + " </dev/null 2>&1").c_str(), "r");
  ASSERT_NE(native, nullptr);
  std::string expected;
  char piece[4096];
  for (std::size_t n; (n = std::fread(piece, 1, sizeof piece, native)) > 0;) expected.append(piece, n);
  const int status = ::pclose(native);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the native run failed: " << expected;
  const auto inside = run(name);
  EXPECT_EQ(inside.out + inside.err, expected) << inside.describe();
  EXPECT_EQ(inside.report.shell_status(), 0) << inside.describe();
}
INSTANTIATE_TEST_SUITE_P(each, conformance, ::testing::ValuesIn(programs()),
                         [](const auto& p) { return p.param.substr(12); });

}  // namespace
