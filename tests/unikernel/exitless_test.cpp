// System calls that are answered in shared memory. That programs do not notice is shown by conformance_test,
// which runs each program this way too.
#include "unikernel/guest_fixture.hpp"

namespace {

using namespace osvm;
using namespace osvm::test;

std::uint64_t all_calls(const instance_stats& s) {
  std::uint64_t sum = 0;
  for (const auto& [name, count] : s.syscalls) sum += count;
  return sum;
}

class exitless : public guest_test {
 protected:
  static void on(instance_options& o) { o.exitless = true; }
};

// On a host whose cores are all busy it may take a while until both threads run at once.
TEST_F(exitless, calls_that_come_fast_cost_no_exit) {
  auto guest = start("calls", {"100000000"}, on);
  ASSERT_TRUE(guest) << guest.error().to_string();
  const auto until = std::chrono::steady_clock::now() + patience;
  while (guest->stats().polled_calls < 100 && std::chrono::steady_clock::now() < until)
    (void)guest->wait(std::chrono::milliseconds(1));
  guest->kill();
  EXPECT_GE(finish(*guest, "calls").stats.polled_calls, 100U);
}

TEST_F(exitless, each_call_is_counted_once) {
  auto polled = run("calls", {"20"}, on);
  polled.expect_exit(0);
  EXPECT_GE(polled.stats.exits + polled.stats.polled_calls, all_calls(polled.stats)) << polled.describe();
  auto plain = run("calls", {"20"});
  plain.expect_exit(0);
  EXPECT_EQ(plain.stats.polled_calls, 0U);
  EXPECT_GE(plain.stats.exits, all_calls(plain.stats));
  const auto count_of = [](const instance_stats& s, const std::string& name) {
    for (const auto& [n, count] : s.syscalls)
      if (n == name) return count;
    return std::uint64_t{0};
  };
  EXPECT_EQ(count_of(polled.stats, "getpid"), count_of(plain.stats, "getpid"));
  EXPECT_EQ(count_of(polled.stats, "read"), count_of(plain.stats, "read"));
}

TEST_F(exitless, a_trace_switches_it_off) {
  auto o = run("calls", {"1"}, [](instance_options& options) {
    on(options);
    options.events.trace = true;
  });
  EXPECT_EQ(o.stats.polled_calls, 0U);
}

TEST_F(exitless, the_poller_counts_into_the_cpu_budget) {
  auto o = run("calls", {"100000000"}, [](instance_options& options) {
    on(options);
    options.budgets.cpu_time = 300ms;
  });
  o.expect_cause(exit_cause::cpu_budget);
}

TEST_F(exitless, killed_while_calls_are_answered) {
  for (int i = 0; i < 20; ++i) {
    auto guest = start("calls", {"100000000"}, on);
    ASSERT_TRUE(guest) << guest.error().to_string();
    while (guest->stats().polled_calls == 0 && !guest->wait(std::chrono::milliseconds(1))) {
    }
    guest->kill();
    auto o = finish(*guest, "calls");
    o.expect_cause(exit_cause::killed);
  }
}

TEST_F(exitless, each_instance_has_its_own) {
  std::vector<instance> guests;
  for (int i = 0; i < 8; ++i) {
    auto guest = start("calls", {"20"}, on);
    ASSERT_TRUE(guest) << guest.error().to_string();
    guests.push_back(std::move(*guest));
  }
  for (auto& g : guests) finish(g, "calls").expect_exit(0);
}

TEST_F(exitless, forged_calls_reach_nothing_new) {
  auto o = run("ring_forge", {}, on);
  if (facts().stub != kvm::syscall_stub::user) {
    o.expect_fault(fault_kind::page_fault);  // the slot is the supervisor's
    return;
  }
  o.expect_exit(0);
  EXPECT_GT(o.number("served").value_or(0), 0) << o.describe();
}

TEST_F(exitless, a_scribbled_slot_harms_its_own_guest_only) {
  if (facts().stub != kvm::syscall_stub::user)
    GTEST_SKIP() << "NOT APPLICABLE: with stub A programs cannot write the slot";
  for (int i = 0; i < 5; ++i) {
    auto guest = start("ring_forge", {"scribble"}, on);
    ASSERT_TRUE(guest) << guest.error().to_string();
    (void)guest->wait(200ms);
    guest->kill();
    const auto end = guest->wait(patience);
    ASSERT_TRUE(end) << end.error().to_string();
    EXPECT_NE(end->cause, exit_cause::failed) << end->describe();
  }
  run("calls", {"2"}, on).expect_exit(0);
}

}  // namespace
