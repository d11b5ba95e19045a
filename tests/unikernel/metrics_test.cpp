#include <osvm/unikernel/metrics.hpp>

#include <gtest/gtest.h>

namespace {

using namespace osvm;
using namespace osvm::unikernel;

bool has(const metrics_registry& all, std::string_view line) {
  const bool found = all.prometheus().find("\n" + std::string(line) + "\n") != std::string::npos;
  if (!found) ADD_FAILURE() << "no " << line << " in\n" << all.prometheus();
  return found;
}

TEST(instance_metrics, follow_the_counters) {
  metrics_registry all;
  instance_stats s;
  s.exits = 5;
  s.cpu_time = std::chrono::milliseconds(2);
  s.memory_bytes = 4096;
  s.syscalls = {{"read", 3}, {"exit_group", 1}};
  s.denials = {{"openat /etc/shadow", "--ro", 2}, {"socket", "none", 1}};
  s.socket_sent_bytes = 7;
  ASSERT_TRUE(record_metrics(all, s, "one"));
  has(all, "osvm_instance_exits_total{instance=\"one\"} 5");
  has(all, "osvm_instance_cpu_microseconds_total{instance=\"one\"} 2000");
  has(all, "osvm_instance_denials_total{instance=\"one\"} 3");
  has(all, "osvm_instance_memory_bytes{instance=\"one\"} 4096");
  has(all, "osvm_instance_socket_sent_bytes_total{instance=\"one\"} 7");
  has(all, "osvm_instance_system_calls_total{call=\"read\",instance=\"one\"} 3");
  s.exits = 9;
  s.memory_bytes = 0;
  s.syscalls = {{"read", 4}};
  ASSERT_TRUE(record_metrics(all, s, "one"));
  has(all, "osvm_instance_exits_total{instance=\"one\"} 9");
  has(all, "osvm_instance_memory_bytes{instance=\"one\"} 0");
  has(all, "osvm_instance_system_calls_total{call=\"read\",instance=\"one\"} 4");
  s.exits = 1;
  ASSERT_TRUE(record_metrics(all, s, "one"));
  has(all, "osvm_instance_exits_total{instance=\"one\"} 9");
}

TEST(instance_metrics, keep_instances_apart_and_what_was_denied_to_itself) {
  metrics_registry all;
  instance_stats s;
  s.exits = 1;
  s.denials = {{"openat \"}\nosvm_instance_exits_total 99", "--ro", 1}};
  ASSERT_TRUE(record_metrics(all, s, "a\"b"));
  ASSERT_TRUE(record_metrics(all, s, "c"));
  has(all, "osvm_instance_exits_total{instance=\"a\\\"b\"} 1");
  has(all, "osvm_instance_exits_total{instance=\"c\"} 1");
  EXPECT_EQ(all.prometheus().find("99"), std::string::npos);
}

}  // namespace
