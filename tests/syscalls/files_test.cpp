// Descriptors and the movement of bytes.
#include "support/guest_without_vm.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <thread>

namespace osvm::unikernel::testing {
namespace {

void use_stdio(guest& g, const stdio& in, const stdio& out) {
  ASSERT_TRUE(set_up_stdio(g.state, g.process, in, out, {}));
}

TEST(files, hello_reaches_captured_output) {
  guest g;
  use_stdio(g, {}, stdio::capture(100));
  EXPECT_EQ(g.call(1, {1, g.text("hello\n"), 6}), 6);
  EXPECT_EQ(g.state.captured[1].take(), "hello\n");
  EXPECT_EQ(g.call(16, {1, TCGETS, g.room(64)}), -ENOTTY);
}

TEST(files, null_stdio_reads_nothing_and_takes_everything) {
  guest g;
  EXPECT_EQ(g.call(0, {0, g.room(16), 16}), 0);
  EXPECT_EQ(g.call(1, {1, g.text("x"), 1}), 1);
}

TEST(files, input_bytes_are_read_in_order) {
  guest g;
  use_stdio(g, stdio::bytes("abcdef"), {});
  const auto buffer = g.room(16);
  EXPECT_EQ(g.call(0, {0, buffer, 4}), 4);
  EXPECT_EQ(g.bytes(buffer, 4), "abcd");
  EXPECT_EQ(g.call(0, {0, buffer, 16}), 2);
  EXPECT_EQ(g.call(0, {0, buffer, 16}), 0);
}

TEST(files, full_capture_blocks_until_the_embedder_takes) {
  guest g;
  use_stdio(g, {}, stdio::capture(4));
  std::int64_t written = 0;
  std::thread writer([&] { written = g.call(1, {1, g.text("0123456789"), 10}); });
  std::string all;
  while (all.size() < 10) all += g.state.captured[1].take();
  writer.join();
  EXPECT_EQ(written, 10);
  EXPECT_EQ(all, "0123456789");
}

TEST(files, blocked_read_ends_when_the_thread_is_interrupted) {
  guest g;
  int pipes[2];
  ASSERT_EQ(::pipe2(pipes, O_CLOEXEC), 0);
  use_stdio(g, stdio::from_fd(pipes[0]), {});
  const auto buffer = g.room(16);
  std::int64_t r = 0;
  std::thread reader([&] { r = g.call(0, {0, buffer, 16}); });
  g.thread.wait.interrupt();
  reader.join();
  EXPECT_EQ(r, -EINTR);
  // The embedder's descriptor kept its flags although the guest's reads do not block in the host.
  EXPECT_EQ(::fcntl(pipes[0], F_GETFL) & O_NONBLOCK, 0);
  ::close(pipes[0]);
  ::close(pipes[1]);
}

TEST(files, blocking_write_is_complete) {
  guest g;
  int pipes[2];
  ASSERT_EQ(::pipe2(pipes, O_CLOEXEC), 0);
  use_stdio(g, {}, stdio::from_fd(pipes[1]));
  constexpr std::size_t much = 300'000;  // more than a pipe holds
  const auto from = g.room(much);
  std::int64_t r = 0;
  std::thread writer([&] { r = g.call(1, {1, from, much}); });
  std::size_t got = 0;
  std::vector<char> sink(much);
  while (got < much) {
    const ssize_t n = ::read(pipes[0], sink.data(), sink.size());
    ASSERT_GT(n, 0);
    got += static_cast<std::size_t>(n);
  }
  writer.join();
  EXPECT_EQ(r, static_cast<std::int64_t>(much));
  ::close(pipes[0]);
  EXPECT_EQ(g.call(1, {1, from, 1}), -EPIPE);
  ::close(pipes[1]);
}

TEST(files, nonblocking_is_the_guests_own_flag) {
  guest g;
  int pipes[2];
  ASSERT_EQ(::pipe2(pipes, O_CLOEXEC), 0);
  use_stdio(g, stdio::from_fd(pipes[0]), {});
  EXPECT_EQ(g.call(72, {0, F_SETFL, O_NONBLOCK}), 0);
  EXPECT_EQ(g.call(72, {0, F_GETFL, 0}) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(g.call(0, {0, g.room(8), 8}), -EAGAIN);
  ::close(pipes[0]);
  ::close(pipes[1]);
}

TEST(files, vectors_are_bounded_and_checked) {
  guest g;
  use_stdio(g, {}, stdio::capture(100));
  const auto hello = g.text("hello"), world = g.text(" world");
  const std::uint64_t v[] = {hello, 5, world, 6};
  const auto at = g.put(v);
  EXPECT_EQ(g.call(20, {1, at, 2}), 11);
  EXPECT_EQ(g.state.captured[1].take(), "hello world");
  EXPECT_EQ(g.call(20, {1, at, 1025}), -EINVAL);
  EXPECT_EQ(g.call(20, {1, guest::unmapped, 1}), -EFAULT);
  const std::uint64_t wrap[] = {~std::uint64_t{0} - 3, 16};
  EXPECT_EQ(g.call(20, {1, g.put(wrap), 1}), -EFAULT);
  const std::uint64_t negative[] = {hello, ~std::uint64_t{0}};
  EXPECT_EQ(g.call(20, {1, g.put(negative), 1}), -EINVAL);
}

TEST(files, read_into_memory_without_the_right_fails) {
  guest g;
  use_stdio(g, stdio::bytes("data"), {});
  ASSERT_EQ(g.memory.map({.address = 0x4000'0000, .size = 4096, .protection = PROT_READ, .fixed = true}),
            0x4000'0000);
  EXPECT_EQ(g.call(0, {0, 0x4000'0000, 4}), -EFAULT);
}

TEST(files, duplicates_share_flags_and_obey_the_budget) {
  guest g({}, {.descriptors = 6});
  EXPECT_EQ(g.call(32, {1}), 3);
  EXPECT_EQ(g.call(33, {1, 5}), 5);
  EXPECT_EQ(g.call(72, {1, F_DUPFD_CLOEXEC, 3}), 4);
  EXPECT_EQ(g.call(32, {1}), -EMFILE);
  EXPECT_EQ(g.call(33, {1, 6}), -EBADF);
  EXPECT_EQ(g.call(72, {4, F_GETFD, 0}), FD_CLOEXEC);
  EXPECT_EQ(g.call(72, {3, F_SETFL, O_NONBLOCK}), 0);
  EXPECT_EQ(g.call(72, {1, F_GETFL, 0}) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(g.call(436, {3, ~0u, 0}), 0);
  EXPECT_EQ(g.call(3, {4}), -EBADF);
}

TEST(files, terminal_requests_are_an_allow_list) {
  guest g;
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  use_stdio(g, stdio::from_fd(terminal), {});
  EXPECT_EQ(g.call(16, {0, TCGETS, g.room(64)}), 0);
  EXPECT_EQ(g.call(16, {0, TIOCGWINSZ, g.room(64)}), 0);
  EXPECT_EQ(g.call(16, {0, TIOCSTI, g.text("x")}), -ENOTTY);
  EXPECT_EQ(g.denied(), 1u);
  ::close(terminal);
}

// An owner is ignored, not passed on: without O_ASYNC nothing is ever sent to it. Both attempts are counted.
TEST(files, file_signals_are_not_served) {
  guest g;
  EXPECT_EQ(g.call(72, {0, F_SETOWN, 1}), 0);
  EXPECT_EQ(g.call(72, {0, F_GETOWN, 0}), 0);
  EXPECT_EQ(g.call(72, {0, F_SETFL, O_ASYNC}), -EINVAL);
  EXPECT_EQ(g.denied(), 2u);
}

}  // namespace
}  // namespace osvm::unikernel::testing
