#include <osvm/core/unique_fd.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace osvm {
namespace {

bool open_fd(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}
unique_fd any_fd() {
  return unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

TEST(unique_fd, closes_on_destruction_and_reset) {
  int raw = -1;
  {
    unique_fd fd = any_fd();
    raw = fd.get();
    ASSERT_TRUE(open_fd(raw));
  }
  EXPECT_FALSE(open_fd(raw));
  unique_fd fd = any_fd();
  raw = fd.get();
  fd.reset();
  EXPECT_FALSE(open_fd(raw));
  EXPECT_FALSE(fd);
}

TEST(unique_fd, release_and_move_do_not_close) {
  unique_fd a = any_fd();
  const int raw = a.get();
  unique_fd b = std::move(a);
  EXPECT_FALSE(a);
  EXPECT_TRUE(open_fd(raw));
  EXPECT_EQ(b.release(), raw);
  EXPECT_TRUE(open_fd(raw));
  ::close(raw);
}

TEST(unique_fd, self_move_keeps_the_descriptor) {
  unique_fd a = any_fd();
  auto& alias = a;
  a = std::move(alias);
  EXPECT_TRUE(open_fd(a.get()));
}

TEST(unique_fd, duplicates_are_close_on_exec) {
  unique_fd a = any_fd();
  unique_fd b = a.duplicate();
  ASSERT_TRUE(b);
  EXPECT_NE(a.get(), b.get());
  EXPECT_EQ(::fcntl(b.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_FALSE(unique_fd().duplicate());
}

}  // namespace
}  // namespace osvm
