// Waiting for descriptors, and the descriptors that are made for waiting.
#include "support/guest_without_vm.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace osvm::unikernel::testing {
namespace {

std::uint64_t number(std::int64_t r) {
  EXPECT_GE(r, 0);
  return static_cast<std::uint64_t>(r);
}

std::array<std::uint64_t, 2> make_pipe(guest& g, int flags = 0) {
  const auto at = g.room(8);
  EXPECT_EQ(g.call(SYS_pipe2, {at, static_cast<std::uint64_t>(flags)}), 0);
  const auto ends = g.get<std::array<int, 2>>(at);
  return {static_cast<std::uint64_t>(ends[0]), static_cast<std::uint64_t>(ends[1])};
}

TEST(polling, epoll_returns_the_guests_own_data_word) {
  guest g;
  const auto set = number(g.call(SYS_epoll_create1, {0})), event = number(g.call(SYS_eventfd2, {0, 0}));
  const epoll_event wanted{.events = EPOLLIN, .data = {.u64 = 0xfeed'face'dead'beef}};
  EXPECT_EQ(g.call(SYS_epoll_ctl, {set, EPOLL_CTL_ADD, event, g.put(wanted)}), 0);
  const auto found = g.room(64);
  EXPECT_EQ(g.call(SYS_epoll_wait, {set, found, 4, 0}), 0);
  EXPECT_EQ(g.call(SYS_write, {event, g.put(std::uint64_t{5}), 8}), 8);
  EXPECT_EQ(g.call(SYS_epoll_wait, {set, found, 4, static_cast<std::uint64_t>(-1)}), 1);
  EXPECT_EQ(std::uint64_t{g.get<epoll_event>(found).data.u64}, 0xfeed'face'dead'beefu);
  const auto value = g.room(8);
  EXPECT_EQ(g.call(SYS_read, {event, value, 8}), 8);
  EXPECT_EQ(g.get<std::uint64_t>(value), 5u);
  EXPECT_EQ(g.call(SYS_read, {event, value, 4}), -EINVAL);
}

TEST(polling, closing_a_descriptor_removes_it_from_epoll) {
  guest g;
  const auto set = number(g.call(SYS_epoll_create1, {0})), event = number(g.call(SYS_eventfd2, {1, 0}));
  const auto wanted = g.put(epoll_event{.events = EPOLLIN, .data = {}});
  EXPECT_EQ(g.call(SYS_epoll_ctl, {set, EPOLL_CTL_ADD, event, wanted}), 0);
  EXPECT_EQ(g.call(SYS_epoll_ctl, {set, EPOLL_CTL_ADD, event, wanted}), -EEXIST);
  EXPECT_EQ(g.call(SYS_close, {event}), 0);
  EXPECT_EQ(g.call(SYS_epoll_wait, {set, g.room(64), 4, 0}), 0);
}

TEST(polling, files_do_not_go_into_epoll) {
  guest g;
  const auto set = number(g.call(SYS_epoll_create1, {0})), file = number(g.open("/proc/self/maps", O_RDONLY));
  const auto wanted = g.put(epoll_event{.events = EPOLLIN, .data = {}});
  EXPECT_EQ(g.call(SYS_epoll_ctl, {set, EPOLL_CTL_ADD, file, wanted}), -EPERM);
  EXPECT_EQ(g.call(SYS_epoll_ctl, {set, EPOLL_CTL_ADD, 1, wanted}), -EPERM);
  EXPECT_EQ(g.call(SYS_epoll_ctl, {set, EPOLL_CTL_ADD, set, wanted}), -EINVAL);
  EXPECT_EQ(g.call(SYS_epoll_ctl, {set, EPOLL_CTL_ADD, 77, wanted}), -EBADF);
}

TEST(polling, epoll_waits_until_interrupted_and_keeps_the_signal_mask) {
  guest g;
  const auto set = number(g.call(SYS_epoll_create1, {0}));
  g.thread.signals.blocked = 2;
  const auto found = g.room(64), mask = g.put(std::uint64_t{4});
  std::int64_t r = 0;
  std::thread waiting([&] {
    r = g.call(SYS_epoll_pwait, {set, found, 4, static_cast<std::uint64_t>(-1), mask, 8});
  });
  g.thread.wait.interrupt();
  waiting.join();
  EXPECT_EQ(r, -EINTR);
  // The mask of the call stays until a handler's frame has taken the thread's own along.
  EXPECT_EQ(g.thread.signals.blocked, 4u);
  EXPECT_EQ(g.thread.signals.saved, 2u);
  g.thread.wait.clear_interrupt();
  EXPECT_EQ(g.call(SYS_epoll_pwait, {set, found, 4, 0, mask, 8}), 0);
  EXPECT_EQ(g.thread.signals.blocked, 2u) << "without a signal the thread's own mask is back at once";
  EXPECT_EQ(g.call(SYS_epoll_pwait, {set, found, 4, 0, mask, 4}), -EINVAL);
}

TEST(polling, poll_wakes_for_any_of_several) {
  guest g;
  const auto a = make_pipe(g), b = make_pipe(g);
  const pollfd set[] = {{static_cast<int>(a[0]), POLLIN, 0},
                        {static_cast<int>(b[0]), POLLIN, 0},
                        {-1, POLLIN, 0},
                        {static_cast<int>(a[0]), POLLIN | POLLPRI, 0}};
  const auto at = g.put(set);
  EXPECT_EQ(g.call(SYS_poll, {at, 4, 0}), 0);
  std::int64_t r = 0;
  std::thread waiting([&] { r = g.call(SYS_poll, {at, 4, static_cast<std::uint64_t>(-1)}); });
  guest_thread other{2};
  const auto byte = g.text("x");
  EXPECT_EQ(g.call_on(other, SYS_write, {b[1], byte, 1}), 1);
  waiting.join();
  EXPECT_EQ(r, 1);
  EXPECT_EQ(g.get<pollfd>(at + 8).revents, POLLIN);
  EXPECT_EQ(g.call(SYS_poll, {at, 257, 0}), -EINVAL);
}

TEST(polling, poll_times_out_and_names_bad_descriptors) {
  guest g;
  const auto p = make_pipe(g);
  const pollfd set[] = {{static_cast<int>(p[0]), POLLIN, 0}};
  EXPECT_EQ(g.call(SYS_poll, {g.put(set), 1, 5}), 0);
  const pollfd bad[] = {{200, POLLIN, 0}};
  const auto at = g.put(bad);
  EXPECT_EQ(g.call(SYS_poll, {at, 1, static_cast<std::uint64_t>(-1)}), 1);
  EXPECT_EQ(g.get<pollfd>(at).revents, POLLNVAL);
}

TEST(polling, poll_on_full_captured_output_waits_for_the_embedder) {
  guest g;
  ASSERT_TRUE(set_up_stdio(g.state, g.process, {}, stdio::capture(4), {}));
  EXPECT_EQ(g.call(SYS_write, {1, g.text("full"), 4}), 4);
  const pollfd set[] = {{1, POLLOUT, 0}};
  const auto at = g.put(set);
  EXPECT_EQ(g.call(SYS_poll, {at, 1, 0}), 0);
  EXPECT_EQ(g.call(SYS_poll, {at, 1, 5}), 0);
  std::int64_t r = 0;
  std::thread waiting([&] { r = g.call(SYS_poll, {at, 1, static_cast<std::uint64_t>(-1)}); });
  EXPECT_EQ(g.state.captured[1].take(), "full");
  waiting.join();
  EXPECT_EQ(r, 1);
}

TEST(polling, select_reports_sets_and_the_time_left) {
  guest g;
  const auto p = make_pipe(g);
  std::array<std::uint64_t, 16> read_set{}, write_set{};
  read_set[0] = std::uint64_t{1} << p[0];
  write_set[0] = std::uint64_t{1} << p[1];
  const auto reads = g.put(read_set), writes = g.put(write_set);
  const auto limit = g.put(timeval{10, 0});
  EXPECT_EQ(g.call(SYS_select, {p[1] + 1, reads, writes, 0, limit}), 1);
  EXPECT_EQ(g.get<std::uint64_t>(reads), 0u);
  EXPECT_EQ(g.get<std::uint64_t>(writes), write_set[0]);
  EXPECT_GE(g.get<timeval>(limit).tv_sec, 8);
  const auto closed = g.put(std::array<std::uint64_t, 16>{std::uint64_t{1} << 60});
  EXPECT_EQ(g.call(SYS_select, {61, closed, 0, 0, limit}), -EBADF);
}

TEST(polling, timerfd_expires) {
  guest g;
  const auto timer = number(g.call(SYS_timerfd_create, {CLOCK_MONOTONIC, 0}));
  const itimerspec soon{{0, 0}, {0, 1'000'000}};
  EXPECT_EQ(g.call(SYS_timerfd_settime, {timer, 0, g.put(soon), 0}), 0);
  const auto value = g.room(8);
  EXPECT_EQ(g.call(SYS_read, {timer, value, 8}), 8);
  EXPECT_EQ(g.get<std::uint64_t>(value), 1u);
  EXPECT_EQ(g.call(SYS_timerfd_create, {CLOCK_REALTIME_ALARM, 0}), -EPERM);
}

TEST(polling, pipes_count_against_the_memory_budget) {
  guest g({}, {.memory_bytes = 2 << 20, .descriptors = 256});
  int made = 0;
  const auto at = g.room(8);
  while (made < 100 && g.call(SYS_pipe, {at}) == 0) ++made;
  EXPECT_LT(made, 33);
  EXPECT_GT(made, 8);
  EXPECT_EQ(g.call(SYS_pipe, {at}), -ENFILE);
  EXPECT_EQ(g.call(SYS_close, {3}), 0);
  EXPECT_EQ(g.call(SYS_pipe, {at}), -ENFILE) << "the other end still holds the pipe";
  EXPECT_EQ(g.call(SYS_close, {4}), 0);
  EXPECT_EQ(g.call(SYS_pipe, {at}), 0);
}

}  // namespace
}  // namespace osvm::unikernel::testing
