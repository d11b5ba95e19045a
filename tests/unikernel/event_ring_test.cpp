// The ring between guest threads and a reader: bounded, nothing lost without being counted, nothing torn.
#include "unikernel/events/channel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

namespace {

using namespace osvm;
using namespace osvm::unikernel;

TEST(event_ring, capacity_is_a_power_of_two_and_full_means_dropped) {
  event_ring ring(3);
  EXPECT_EQ(ring.capacity(), 4u);
  event_record r;
  for (int i = 0; i < 6; ++i) {
    r.set_text(std::to_string(i));
    EXPECT_EQ(ring.push(r), i < 4);
  }
  EXPECT_EQ(ring.dropped(), 2u);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(ring.pop(r));
    EXPECT_EQ(r.text(), std::to_string(i));
  }
  EXPECT_FALSE(ring.pop(r));
}

TEST(event_ring, long_text_is_cut_and_the_rule_kept) {
  event_record r;
  r.set_text(std::string(5000, 'x'), "the rule");
  EXPECT_EQ(r.rule(), "the rule");
  EXPECT_TRUE(r.text().ends_with("x..."));
  EXPECT_EQ(r.text().size() + r.rule().size(), r.bytes.size());
  r.set_text("short", std::string(5000, 'y'));
  EXPECT_EQ(r.text(), "short");
}

// Each record says who wrote it and which one it is: whatever arrives is whole and in its writer's order, and
// arrived + dropped = written.
TEST(event_ring, many_writers_one_reader) {
  constexpr int writers = 4, each = 20000;
  event_ring ring(64);
  std::atomic<int> running{writers};
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      for (int i = 0; i < each; ++i) {
        event_record r;
        r.thread = w;
        r.result = i;
        r.set_text(std::to_string(w) + ":" + std::to_string(i));
        ring.push(r);
      }
      --running;
    });
  }
  std::map<int, std::int64_t> last;
  std::uint64_t arrived = 0;
  event_record r;
  for (;;) {
    const bool over = running.load() == 0;
    while (ring.pop(r)) {
      ++arrived;
      ASSERT_EQ(r.text(), std::to_string(r.thread) + ":" + std::to_string(r.result));
      if (last.contains(r.thread)) {
        ASSERT_LT(last[r.thread], r.result);
      }
      last[r.thread] = r.result;
    }
    if (over) break;
    std::this_thread::yield();
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(arrived + ring.dropped(), std::uint64_t{writers} * each);
  EXPECT_GT(arrived, 0u);
}

TEST(event_channel, handler_gets_everything_in_order_on_the_executor) {
  runtime loop(runtime_options{.threads = 2});
  std::vector<std::string> seen;
  auto channel = std::make_shared<event_channel>(
      loop.get_executor(), event_options{.denials = true, .capacity = 4096, .handler = [&](auto events) {
                                           for (const event& e : events) seen.push_back(e.text);
                                         }});
  for (int i = 0; i < 1000; ++i) channel->denial(std::to_string(i), "");
  channel->drain();  // on return no earlier event is left
  ASSERT_EQ(seen.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], std::to_string(i));
  channel->close();
}

TEST(event_channel, no_handler_call_after_close) {
  runtime loop(runtime_options{.threads = 1});
  std::atomic<int> calls{0};
  auto channel = std::make_shared<event_channel>(
      loop.get_executor(), event_options{.denials = true, .handler = [&](auto) { ++calls; }});
  channel->close();
  for (int i = 0; i < 100; ++i) channel->denial("x", "");
  channel->drain();
  EXPECT_EQ(calls.load(), 0);
}

TEST(event_channel, output_becomes_lines) {
  runtime loop(runtime_options{.threads = 1});
  auto channel = std::make_shared<event_channel>(loop.get_executor(), event_options{});
  channel->output(1, "one\ntw");
  channel->output(2, "error\x1b[0m\n");
  channel->output(1, "o\n\nthree");
  channel->finish_output();
  const auto all = channel->take(100);
  std::vector<std::pair<int, std::string>> lines;
  for (const event& e : all) lines.emplace_back(e.stream, e.text);
  const std::vector<std::pair<int, std::string>> expected{
      {1, "one"}, {2, "error\\x1b[0m"}, {1, "two"}, {1, ""}, {1, "three"}};
  EXPECT_EQ(lines, expected);
  channel->output(1, std::string(5000, 'z') + "\n");
  std::size_t total = 0;
  for (const event& e : channel->take(100)) total += e.text.size();
  EXPECT_EQ(total, 5000u);
}

}  // namespace
