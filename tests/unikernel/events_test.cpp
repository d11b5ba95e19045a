// Events of real guests: denials, traces and lines of output reach the embedder, by handler and by polling.
#include "unikernel/guest_fixture.hpp"

#include <future>
#include <memory>
#include <mutex>

namespace {

using namespace osvm;
using namespace osvm::test;
using unikernel::event;
using unikernel::event_kind;

struct collector {
  std::mutex lock;
  std::vector<event> all;
  unikernel::event_handler handler() {
    return [this](std::span<const event> events) {
      const std::lock_guard guard(lock);
      all.insert(all.end(), events.begin(), events.end());
    };
  }
  std::size_t count(event_kind kind, std::string_view text) {
    const std::lock_guard guard(lock);
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const event& e) {
      return e.kind == kind && e.text.find(text) != std::string::npos;
    }));
  }
};

class events : public guest_test {};

TEST_F(events, a_handler_has_all_of_them_before_wait_returns) {
  collector seen;
  const auto o = run("probe", {"read", "/etc/shadow"}, [&](instance_options& i) {
    i.events = {.denials = true, .trace = true, .capacity = 8192, .handler = seen.handler()};
  });
  o.stats.events_dropped == 0 ? void() : ADD_FAILURE() << o.stats.events_dropped << " dropped";
  EXPECT_EQ(seen.count(event_kind::denial, "/etc/shadow"), 1u);
  EXPECT_EQ(seen.count(event_kind::trace, "\"/etc/shadow\""), 1u);
  EXPECT_EQ(seen.count(event_kind::trace, "exit_group(0) = ?"), 1u);
  std::uint64_t calls = 0;
  for (const auto& [name, n] : o.stats.syscalls) calls += n;
  EXPECT_EQ(seen.count(event_kind::trace, ""), calls);
}

TEST_F(events, without_a_handler_they_wait_to_be_taken) {
  auto guest = start("probe", {"read", "/etc/shadow"}, [](instance_options& i) { i.events.denials = true; });
  ASSERT_TRUE(guest);
  (void)finish(*guest, "probe");
  const auto all = guest->take_events();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].kind, event_kind::denial);
  EXPECT_NE(all[0].rule.find("--ro"), std::string::npos);
  EXPECT_TRUE(guest->take_events().empty());
}

TEST_F(events, lines_of_output_can_be_events) {
  collector seen;
  run("hello", {"first", "second line"},
      [&](instance_options& i) {
        i.output = stdio::log();
        i.events.handler = seen.handler();
      })
      .expect_exit(0)
      .expect_output("");
  ASSERT_EQ(seen.all.size(), 2u);
  EXPECT_EQ(seen.all[0].text, "first");
  EXPECT_EQ(seen.all[1].text, "second line");
  EXPECT_EQ(seen.all[1].stream, 1);
}

TEST_F(events, a_full_ring_drops_and_counts_and_the_guest_goes_on) {
  auto guest = start("hello", {}, [](instance_options& i) { i.events = {.trace = true, .capacity = 4}; });
  ASSERT_TRUE(guest);
  const auto o = finish(*guest, "hello");
  EXPECT_EQ(o.report.status, 0);
  std::uint64_t calls = 0;
  for (const auto& [name, n] : o.stats.syscalls) calls += n;
  ASSERT_GT(calls, 4u);
  EXPECT_EQ(o.stats.events_dropped, calls - 4);
  EXPECT_EQ(guest->take_events().size(), 4u);
}

TEST_F(events, a_handler_may_destroy_the_instance) {
  // Shared with the handler, whose last steps may come after this function has returned.
  struct scene {
    std::optional<instance> guest;
    std::promise<void> ready, destroyed;
  };
  const auto here = std::make_shared<scene>();
  auto made = start("stubborn", {"spin"}, [&](instance_options& i) {
    i.events = {.trace = true, .handler = [here](auto) {
                  here->ready.get_future().wait();
                  here->guest.reset();
                  here->destroyed.set_value();
                }};
  });
  ASSERT_TRUE(made) << made.error().to_string();
  here->guest.emplace(std::move(*made));
  here->ready.set_value();
  here->destroyed.get_future().wait();
  EXPECT_FALSE(here->guest.has_value());
}

TEST_F(events, capacity_is_checked) {
  const auto none = start("hello", {}, [](instance_options& i) { i.events.capacity = 0; });
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, osvm::errc::invalid_argument);
}

}  // namespace
