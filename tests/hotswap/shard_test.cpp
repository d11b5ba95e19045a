// The shard and its timers, directly.
#include "hotswap/io/shard.hpp"
#include "hotswap/support/sockets.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <random>

namespace osvm::hotswap::detail {
namespace {

using namespace std::chrono_literals;

class nobody final : public actor {
 public:
  using actor::actor;
  void on_io(channel&) override {}
};

class listener final : public actor {
 public:
  listener(shard& s, unique_fd fd, std::atomic<int>& calls) : actor(s), ch(*this), calls_(calls) {
    ch.fd = std::move(fd);
  }
  void on_io(channel& which) override {
    ++calls_;
    char text[16];
    (void)home().read(which, text);
  }
  channel ch;

 private:
  std::atomic<int>& calls_;
};

// Runs f on the shard and waits for it.
template <class F>
void on_shard(shard& s, F f) {
  std::promise<void> done;
  s.post([&](shard& on) {
    f(on);
    done.set_value();
  });
  done.get_future().wait();
}

// The kernel goes on reporting a closed descriptor while a duplicate of it lives, for example in a child
// process between fork and exec. Such an event once reached the freed actor.
TEST(shard_events, a_dismissed_actor_is_never_called_though_its_socket_lives_on) {
  runtime loop;
  auto s = shard::create(loop.get_executor());
  ASSERT_TRUE(s);
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  unique_fd peer(pair[1]);
  unique_fd alive(::dup(pair[0]));
  std::atomic<int> calls = 0;
  listener* a = nullptr;
  on_shard(**s, [&](shard& on) {
    a = &on.adopt(std::make_unique<listener>(on, unique_fd(pair[0]), calls));
    ASSERT_TRUE(on.watch(a->ch));
  });
  ASSERT_EQ(::write(peer.get(), "x", 1), 1);
  ASSERT_TRUE(test::eventually([&] { return calls == 1; }));
  on_shard(**s, [&](shard& on) { on.dismiss(*a); });
  on_shard(**s, [](shard&) {});  // buried
  // A new channel takes the slot of the old one: late events must not be mistaken for its own.
  int other[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, other), 0);
  unique_fd other_peer(other[1]);
  std::atomic<int> other_calls = 0;
  on_shard(**s, [&](shard& on) {
    auto& b = on.adopt(std::make_unique<listener>(on, unique_fd(other[0]), other_calls));
    ASSERT_TRUE(on.watch(b.ch));
  });
  ASSERT_EQ(::write(peer.get(), "y", 1), 1);
  on_shard(**s, [](shard&) {});
  on_shard(**s, [](shard&) {});
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(other_calls, 0);
  ASSERT_EQ(::write(other_peer.get(), "z", 1), 1);
  EXPECT_TRUE(test::eventually([&] { return other_calls == 1; }));
  (*s)->close();
}

TEST(shard_timers, come_in_order_whatever_was_moved_or_cancelled) {
  runtime loop;
  auto s = shard::create(loop.get_executor());
  ASSERT_TRUE(s);
  nobody owner(**s);
  std::mt19937 random(3);
  timer_queue queue;
  std::vector<std::unique_ptr<timer>> timers;
  std::vector<time_point> wanted(200, time_point::max());
  const time_point start = std::chrono::steady_clock::now();
  for (int i = 0; i < 200; ++i) timers.push_back(std::make_unique<timer>(owner));
  for (int i = 0; i < 5'000; ++i) {
    const auto which = random() % 200;
    if (random() % 4 == 0) {
      timers[which]->cancel();
      wanted[which] = time_point::max();
    } else {
      wanted[which] = start + std::chrono::microseconds(random() % 100'000);
      queue.arm(*timers[which], wanted[which]);
    }
  }
  for (auto now = start; now <= start + 100ms; now += 1ms) {
    while (timer* t = queue.empty() ? nullptr : queue.pop_due(now)) {
      const auto which =
          std::find_if(timers.begin(), timers.end(), [&](const auto& p) { return p.get() == t; }) -
          timers.begin();
      EXPECT_LE(wanted[static_cast<std::size_t>(which)], now);
      EXPECT_GT(wanted[static_cast<std::size_t>(which)], now - 1ms);
      wanted[static_cast<std::size_t>(which)] = time_point::max();
    }
  }
  EXPECT_TRUE(queue.empty());
  for (const auto& w : wanted) EXPECT_EQ(w, time_point::max());
  (*s)->close();
}

}  // namespace
}  // namespace osvm::hotswap::detail
