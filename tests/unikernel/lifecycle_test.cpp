// Beginnings and ends: kill at any moment, destruction from anywhere, many at once, nothing left behind.
#include "unikernel/guest_fixture.hpp"

#include <sys/wait.h>
#include <csignal>

#include <atomic>
#include <fstream>
#include <future>
#include <thread>

namespace {

using namespace osvm;
using namespace osvm::test;

class guest_life : public guest_test {
 protected:
  static std::size_t entries(const char* folder) {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(folder)) ++n;
    return n;
  }
  static std::size_t descriptors() { return entries("/proc/self/fd"); }
  static std::size_t threads() { return entries("/proc/self/task"); }
  // The kernel wakes who joins a thread a moment before the thread leaves /proc.
  static std::size_t threads_settled(std::size_t expected) {
    for (int i = 0; i < 500 && threads() != expected; ++i) std::this_thread::sleep_for(10ms);
    return threads();
  }
  static long resident_kib() {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
      if (line.rfind("VmRSS:", 0) == 0) return std::strtol(line.c_str() + 6, nullptr, 10);
    return -1;
  }
  static std::size_t mappings() {
    std::ifstream in("/proc/self/maps");
    std::size_t n = 0;
    for (std::string line; std::getline(in, line);) ++n;
    return n;
  }
  // Waits for the text on captured stdout, so that the guest is known to be at that point.
  static bool says(instance& guest, std::string_view text) {
    std::string seen;
    for (const auto end = std::chrono::steady_clock::now() + patience;
         std::chrono::steady_clock::now() < end;) {
      seen += guest.take_output(1);
      if (seen.find(text) != std::string::npos) return true;
      if (guest.wait(1ms)) return false;
    }
    return false;
  }
};

class stuck_in : public guest_life, public ::testing::WithParamInterface<const char*> {
 protected:
  result<instance> stuck(std::vector<std::string> arguments) {
    return start("stubborn", std::move(arguments), [](auto& o) {
      o.policy.listen = {{transport::tcp, 8080}};
      o.output = stdio::capture(65536);
      o.budgets.memory_bytes = 64 << 20;
    });
  }
};

TEST_P(stuck_in, ends_when_killed) {
  auto guest = stuck({GetParam()});
  ASSERT_TRUE(guest) << guest.error().to_string();
  ASSERT_TRUE(says(*guest, "ready\n"));
  guest->wait(5ms);  // mostly inside by then; other moments are hit by the test below
  guest->kill();
  guest->kill();
  const auto end = guest->wait(10s);
  ASSERT_TRUE(end) << end.error().to_string();
  EXPECT_EQ(end->cause, exit_cause::killed) << end->describe();
  EXPECT_EQ(end->shell_status(), 137);
}

TEST_P(stuck_in, ends_when_destroyed_at_any_moment) {
  const auto threads_before = threads();
  for (int i = 0; i < 12; ++i) {
    auto guest = stuck({GetParam()});
    ASSERT_TRUE(guest) << guest.error().to_string();
    if (i % 3 != 0) guest->wait(std::chrono::microseconds(i * 700));
    const auto begin = std::chrono::steady_clock::now();
    { const instance gone = std::move(*guest); }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  }
  const auto expected = threads_before + (threads_before == 1 ? 1 : 0);
  EXPECT_EQ(threads_settled(expected), expected) << "guest threads were left";
}

INSTANTIATE_TEST_SUITE_P(places, stuck_in,
                         ::testing::Values("spin", "syscall_loop", "futex", "condition", "epoll", "polling",
                                           "pipe_read", "pipe_write", "input", "output", "event", "timer",
                                           "sleeping", "pausing", "accepting", "memory", "churn",
                                           "everything"),
                         [](const auto& p) { return std::string(p.param); });

TEST_F(guest_life, waiting_can_begin_late_and_often) {
  auto guest = start("hello");
  ASSERT_TRUE(guest) << guest.error().to_string();
  std::promise<exit_report> first, second;
  guest->async_wait([&](result<exit_report> r) { first.set_value(r.value()); });
  EXPECT_EQ(first.get_future().get().status, 0);
  guest->async_wait([&](result<exit_report> r) { second.set_value(r.value()); });
  EXPECT_EQ(second.get_future().get().cause, exit_cause::exited);
  EXPECT_TRUE(guest->wait(0s));
  EXPECT_TRUE(guest->wait(0s));
}

TEST_F(guest_life, killing_the_dead_changes_nothing) {
  auto guest = start("probe", {"exit", "7"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  ASSERT_TRUE(guest->wait(patience));
  guest->kill();
  EXPECT_EQ(guest->wait(0s).value().status, 7);
}

TEST_F(guest_life, destruction_from_its_own_completion_handler) {
  for (int i = 0; i < 20; ++i) {
    auto made = start("probe", {"exit", "3"});
    ASSERT_TRUE(made) << made.error().to_string();
    auto guest = std::make_shared<instance>(std::move(*made));
    std::promise<int> status;
    guest->async_wait([guest, &status](result<exit_report> r) mutable {
      guest.reset();  // the last owner is this handler
      status.set_value(r ? r->status : -1);
    });
    guest.reset();
    EXPECT_EQ(status.get_future().get(), 3);
  }
}

TEST_F(guest_life, destruction_while_someone_waits_completes_the_wait) {
  auto made = start("stubborn", {"sleeping"});
  ASSERT_TRUE(made) << made.error().to_string();
  std::promise<result<exit_report>> end;
  {
    const instance guest = std::move(*made);
    const_cast<instance&>(guest).async_wait([&](result<exit_report> r) { end.set_value(std::move(r)); });
  }
  auto future = end.get_future();
  ASSERT_EQ(future.wait_for(patience), std::future_status::ready);
  const auto r = future.get();
  if (r) {
    EXPECT_EQ(r->cause, exit_cause::killed);
  }
}

TEST_F(guest_life, killed_from_another_thread_during_boot) {
  for (int i = 0; i < 40; ++i) {
    auto guest = start("stubborn", {"spin"});
    ASSERT_TRUE(guest) << guest.error().to_string();
    std::thread killer([&] {
      for (std::atomic<int> k = 0; k < i * 2000; ++k) {
      }
      guest->kill();
    });
    EXPECT_EQ(guest->wait(10s).value().cause, exit_cause::killed);
    killer.join();
  }
}

TEST_F(guest_life, fifty_at_once) {
  std::vector<instance> guests;
  for (int i = 0; i < 50; ++i) {
    auto g = start("probe", {"cat"}, [i](auto& o) { o.input = stdio::bytes(std::to_string(i)); });
    ASSERT_TRUE(g) << i << ": " << g.error().to_string();
    guests.push_back(std::move(*g));
  }
  for (int i = 0; i < 50; ++i) {
    auto& g = guests[static_cast<std::size_t>(i)];
    finish(g, "cat " + std::to_string(i)).expect_exit(0).expect_output(std::to_string(i));
  }
}

TEST_F(guest_life, fifty_stuck_ones_end_together) {
  std::vector<instance> guests;
  for (int i = 0; i < 50; ++i) {
    auto g = start("stubborn", {i % 2 ? "sleeping" : "epoll"});
    ASSERT_TRUE(g) << i << ": " << g.error().to_string();
    guests.push_back(std::move(*g));
  }
  for (auto& g : guests) ASSERT_TRUE(says(g, "ready"));
  guests.clear();
}

// Two hundred lives leave no descriptor, thread, mapping or (beyond allocator noise) memory behind.
TEST_F(guest_life, two_hundred_leave_nothing) {
  const auto one_life = [&](int i) {
    if (i % 4 == 0) {
      auto g = start("stubborn", {"everything"});
      ASSERT_TRUE(g) << g.error().to_string();
      if (i % 8 == 0) {
        ASSERT_TRUE(says(*g, "ready"));
      }
    } else {
      run("hello").expect_exit(0);
    }
  };
  for (int i = 0; i < 24; ++i) one_life(i);
  const auto fds = descriptors(), tasks = threads(), maps = mappings();
  const long memory = resident_kib();
  for (int i = 0; i < 200; ++i) one_life(i);
  EXPECT_EQ(descriptors(), fds);
  EXPECT_EQ(threads_settled(tasks), tasks);
  EXPECT_LE(mappings(), maps + 32);
#ifndef OSVM_SANITIZED  // a sanitizer keeps what was freed
  EXPECT_LE(resident_kib(), memory + 8192);
#else
  (void)memory;
#endif
}

// The host process is killed while guests of every kind run: the kernel takes everything with it.
TEST_F(guest_life, sigkill_of_the_host_process_leaves_nothing) {
  int ready[2];
  ASSERT_EQ(::pipe2(ready, 0), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // A child of a threaded test process: its own runtime, its own instances.
    std::vector<instance> guests;
    runtime own({.threads = 1});
    for (const char* place : {"spin", "sleeping", "everything"}) {
      auto o = options("stubborn", {place});
      auto g = instance::create(own.get_executor(), program("stubborn"), std::move(o));
      if (!g || !says(*g, "ready")) ::_exit(1);
      guests.push_back(std::move(*g));
    }
    (void)!::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  ::close(ready[1]);
  char x = 0;
  EXPECT_EQ(::read(ready[0], &x, 1), 1);
  ::close(ready[0]);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(child)));
}

// A VM cannot move between processes: in a fork()ed child the instance ends with an error, and nothing
// crashes.
TEST_F(guest_life, an_instance_is_of_no_use_in_a_forked_child) {
  auto guest = start("stubborn", {"sleeping"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  ASSERT_TRUE(says(*guest, "ready"));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(20);
    const auto r = guest->wait(50ms);
    guest->kill();
    (void)guest->take_output(1);
    (void)guest->stats();
    ::_exit(r ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << std::hex << status;
  EXPECT_FALSE(guest->wait(50ms)) << "the child's kill() reached the parent's guest";
  guest->kill();
  EXPECT_EQ(guest->wait(10s).value().cause, exit_cause::killed);
}

TEST_F(guest_life, no_signal_handler_and_no_changed_signal_mask) {
  struct sigaction before[65] = {}, after = {};
  for (int s = 1; s < 65; ++s) ::sigaction(s, nullptr, &before[s]);
  sigset_t mask_before, mask_after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask_before);
  run("probe", {"handler"}).expect_exit(0);
  { auto g = start("stubborn", {"spin"}); }
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask_after);
  for (int s = 1; s < 65; ++s) {
    ::sigaction(s, nullptr, &after);
    EXPECT_EQ(after.sa_handler, before[s].sa_handler) << "signal " << s;
    EXPECT_EQ(::sigismember(&mask_before, s), ::sigismember(&mask_after, s)) << "signal " << s;
  }
}

// --- signals from outside ---

// Until the guest has written this line.
void wait_for_output(instance& guest, const std::string& line) {
  std::string seen;
  for (const auto end = std::chrono::steady_clock::now() + patience; seen.find(line) == std::string::npos;) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << seen;
    seen += guest.take_output(1);
    std::this_thread::sleep_for(1ms);
  }
}

TEST_F(guest_life, a_signal_from_outside_runs_the_handler) {
  auto guest = start("polite", {"leaves"});
  ASSERT_TRUE(guest) << guest.error().to_string();
  wait_for_output(*guest, "ready\n");
  EXPECT_EQ(guest->signal(0).error().code, make_error_code(osvm::errc::invalid_argument));
  EXPECT_EQ(guest->signal(65).error().code, make_error_code(osvm::errc::invalid_argument));
  ASSERT_TRUE(guest->signal(SIGUSR1));
  finish(*guest, "polite").expect_exit(5).expect_output("got 10\n");
  EXPECT_EQ(guest->signal(SIGUSR1).error().code, make_error_code(osvm::errc::closed));
}

TEST_F(guest_life, a_signal_from_outside_stops_continues_and_ends) {
  auto stopped = start("polite", {"stays"});
  ASSERT_TRUE(stopped) << stopped.error().to_string();
  wait_for_output(*stopped, "ready\n");
  ASSERT_TRUE(stopped->signal(SIGSTOP));
  ASSERT_TRUE(stopped->signal(SIGUSR1));
  EXPECT_FALSE(stopped->wait(50ms)) << "a stopped guest does nothing";
  EXPECT_EQ(stopped->take_output(1), "");
  ASSERT_TRUE(stopped->signal(SIGCONT));
  wait_for_output(*stopped, "got 10\n");
  ASSERT_TRUE(stopped->signal(SIGSTOP));
  ASSERT_TRUE(stopped->signal(SIGKILL));  // reaches stopped ones, too
  finish(*stopped, "polite").expect_signal(SIGKILL);
}

TEST_F(guest_life, a_wait_for_a_signal_and_a_stop_end_with_the_wall_budget) {
  const auto short_life = [](auto& o) { o.budgets.wall_time = 300ms; };
  run("polite", {"leaves"}, short_life).expect_cause(exit_cause::wall_budget);
  auto stopped = start("polite", {"stays"}, short_life);
  ASSERT_TRUE(stopped) << stopped.error().to_string();
  ASSERT_TRUE(stopped->signal(SIGSTOP));
  finish(*stopped, "stopped").expect_cause(exit_cause::wall_budget);
}

}  // namespace
