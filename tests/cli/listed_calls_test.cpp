// Lists of system calls of others, as they are counted.
#include "osvm/bench/listed_calls.hpp"

#include <gtest/gtest.h>

namespace {

using namespace osvm;
using namespace osvm::cli::bench;

TEST(listed_calls, a_containers_list_counts_what_a_plain_container_on_this_processor_may) {
  const auto n = count_allowed_calls(R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
    {"names": ["read", "write", "read", "recv_of_another_processor"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["bpf", "setns"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
    {"names": ["sync_file_range"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["ppc64le"]}},
    {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "includes": {}}]})");
  ASSERT_TRUE(n) << n.error().to_string();
  EXPECT_EQ(*n, 3U);
  for (const char* text : {"", "[]", "{}", "{\"syscalls\": 3}"})
    EXPECT_FALSE(count_allowed_calls(text)) << text;
  EXPECT_EQ(container_default_calls("/no/such/list").error().code, errc::not_found);
}

TEST(listed_calls, of_gvisor_what_it_supports_counts) {
  const auto n = count_implemented_calls(R"({"linux": {"amd64": {"syscalls": {
    "0": {"name": "read", "support": "Full Support"}, "1": {"name": "write", "support": "Partial Support"},
    "2": {"name": "bpf", "support": "Unimplemented"}}}}})");
  ASSERT_TRUE(n) << n.error().to_string();
  EXPECT_EQ(*n, 2U);
  for (const char* text : {"", "{}", "{\"linux\": []}", R"({"linux": {"amd64": {"syscalls": {}}}})"})
    EXPECT_FALSE(count_implemented_calls(text)) << text;
}

}  // namespace
