#include <gtest/gtest.h>
#include <unistd.h>

#include <osvm/vsock/fd_queue.hpp>

#include <array>

#include "support.hpp"

namespace osvm::vsock {
namespace {

using test::open_descriptors;
using test::readable_within;

std::array<unique_fd, 2> stream_pair() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

TEST(fd_queue, hands_over_connections_in_order_with_their_ports) {
  auto queue = fd_queue::create(4).value();
  auto first = stream_pair();
  auto second = stream_pair();
  ASSERT_TRUE(queue.push({std::move(first[0]), 7}));
  ASSERT_TRUE(queue.push({std::move(second[0]), 8}));
  ASSERT_TRUE(readable_within(queue.receiver(), 0));
  const auto one = fd_queue::take(queue.receiver()).value();
  const auto two = fd_queue::take(queue.receiver()).value();
  EXPECT_EQ(one.host_port, 7U);
  EXPECT_EQ(two.host_port, 8U);
  ASSERT_EQ(::write(one.fd.get(), "a", 1), 1);
  ASSERT_EQ(::write(two.fd.get(), "b", 1), 1);
  EXPECT_EQ(test::read_up_to(first[1].get(), 1), "a");
  EXPECT_EQ(test::read_up_to(second[1].get(), 1), "b");
}

TEST(fd_queue, never_blocks_when_empty) {
  auto queue = fd_queue::create(1).value();
  EXPECT_FALSE(readable_within(queue.receiver(), 0));
  const auto none = fd_queue::take(queue.receiver());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, boost::system::errc::resource_unavailable_try_again);
}

TEST(fd_queue, holds_no_more_than_its_backlog) {
  for (const unsigned backlog : {1U, 3U, 128U}) {
    auto queue = fd_queue::create(backlog).value();
    for (unsigned i = 0; i < backlog; ++i) ASSERT_TRUE(queue.push({stream_pair()[0].duplicate(), i})) << i;
    EXPECT_FALSE(queue.has_room());
    EXPECT_FALSE(queue.push({stream_pair()[0].duplicate(), 0}));
    ASSERT_TRUE(fd_queue::take(queue.receiver()));
    EXPECT_TRUE(queue.push({stream_pair()[0].duplicate(), 0}));
  }
}

TEST(fd_queue, receiver_drains_and_then_sees_the_end) {
  unique_fd receiver;
  {
    auto queue = fd_queue::create(2).value();
    receiver = queue.duplicate_receiver();
    ASSERT_TRUE(queue.push({stream_pair()[0].duplicate(), 9}));
  }
  EXPECT_EQ(fd_queue::take(receiver.get()).value().host_port, 9U);
  EXPECT_EQ(fd_queue::take(receiver.get()).error().code, errc::closed);
}

TEST(fd_queue, closes_what_nobody_took) {
  const auto before = open_descriptors();
  auto pair = stream_pair();
  {
    auto queue = fd_queue::create(2).value();
    ASSERT_TRUE(queue.push({std::move(pair[0]), 1}));
  }
  EXPECT_EQ(test::read_up_to(pair[1].get(), 1), "");
  pair = {};
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace osvm::vsock
