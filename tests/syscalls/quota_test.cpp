// A mount's quota: growth by every call that makes files longer or makes names, and room that deleting gives
// back.
#include "unikernel/files/quota.hpp"
#include "support/guest_without_vm.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace {

using namespace osvm;
using namespace osvm::unikernel;
using osvm::unikernel::testing::guest;
using osvm::unikernel::testing::temp_folder;

constexpr std::uint64_t quota = 64 << 10;

policy with_quota(const temp_folder& f, std::uint64_t bytes = quota) {
  policy p;
  p.mounts = {{.host_path = f.path(), .guest_path = "/data", .writable = true, .quota_bytes = bytes}};
  return p;
}

std::uint64_t as_arg(std::int64_t v) {
  return static_cast<std::uint64_t>(v);
}

struct quota_guest : guest {
  explicit quota_guest(const temp_folder& f, std::uint64_t bytes = quota) : guest(with_quota(f, bytes)) {}
  std::int64_t write(std::int64_t fd, std::size_t bytes_) { return call(1, {as_arg(fd), base, bytes_}); }
  std::int64_t create(const char* path) { return open(path, O_CREAT | O_RDWR, 0644); }
};

TEST(mount_quota, writing_ends_at_the_quota_and_overwriting_is_free) {
  const temp_folder f;
  quota_guest g(f);
  const auto fd = g.create("/data/file");
  ASSERT_GE(fd, 0);
  EXPECT_EQ(g.write(fd, 60 << 10), 60 << 10);  // with the name: the whole quota
  EXPECT_EQ(g.write(fd, 1), -ENOSPC);
  ASSERT_EQ(g.call(8, {as_arg(fd), 0, SEEK_SET}), 0);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(g.call(18, {as_arg(fd), guest::base, 60 << 10, 0}), 60 << 10);
  EXPECT_EQ(g.call(18, {as_arg(fd), guest::base, 100, 60 << 10}), -ENOSPC);
  EXPECT_EQ(g.create("/data/other"), -ENOSPC);
}

TEST(mount_quota, what_lies_there_already_counts_and_deleting_gives_room) {
  const temp_folder f;
  f.write("old", std::string(50 << 10, 'x'));
  quota_guest g(f);
  const auto fd = g.create("/data/new");
  ASSERT_GE(fd, 0);
  EXPECT_EQ(g.write(fd, 10 << 10), -ENOSPC);
  ASSERT_EQ(g.call(87, {g.text("/data/old")}), 0);
  EXPECT_EQ(g.write(fd, 50 << 10), 50 << 10);
  ASSERT_EQ(g.call(77, {as_arg(fd), 0}), 0);
  EXPECT_EQ(g.call(18, {as_arg(fd), guest::base, 60 << 10, 0}), 60 << 10);
}

TEST(mount_quota, every_way_to_grow_is_counted) {
  const temp_folder f;
  quota_guest g(f);
  const auto fd = g.create("/data/file");
  ASSERT_GE(fd, 0);
  EXPECT_EQ(g.call(77, {as_arg(fd), 1 << 20}), -ENOSPC);                   // ftruncate
  EXPECT_EQ(g.call(76, {g.text("/data/file"), 1 << 20}), -ENOSPC);         // truncate
  EXPECT_EQ(g.call(285, {as_arg(fd), 0, 0, 1 << 20}), -ENOSPC);            // fallocate
  EXPECT_EQ(g.call(18, {as_arg(fd), guest::base, 10, 1 << 20}), -ENOSPC);  // a hole in front
  int made = 0;
  for (int i = 0; i < 40; ++i) made += g.call(83, {g.text("/data/d" + std::to_string(i)), 0755}) == 0;
  EXPECT_EQ(made, 15);  // 16 names in all
  EXPECT_EQ(g.call(88, {g.text("d0"), g.text("/data/link")}), -ENOSPC);
  EXPECT_EQ(g.call(86, {g.text("/data/file"), g.text("/data/hard")}), -ENOSPC);
  EXPECT_EQ(g.call(84, {g.text("/data/d0")}), 0);
  EXPECT_EQ(g.call(88, {g.text("d1"), g.text("/data/link")}), 0);
}

TEST(mount_quota, append_and_duplicates_share_it) {
  const temp_folder f;
  quota_guest g(f);
  const auto a = g.create("/data/file");
  const auto b = g.open("/data/file", O_WRONLY | O_APPEND);
  ASSERT_GE(b, 0);
  EXPECT_EQ(g.write(a, 30 << 10), 30 << 10);
  EXPECT_EQ(g.write(b, 30 << 10), 30 << 10);
  EXPECT_EQ(g.write(b, 1), -ENOSPC);
  EXPECT_EQ(g.call(8, {as_arg(a), 0, SEEK_END}), 60 << 10);
}

TEST(mount_quota, is_for_folders_that_can_be_measured) {
  const temp_folder f;
  f.write("file", "x");
  policy p;
  p.mounts = {{.host_path = f / "file", .guest_path = "/file", .writable = true, .quota_bytes = 4096}};
  EXPECT_FALSE(file_tree::create(p));
  std::filesystem::create_directories(f / "a/b/c");
  f.write("a/b/c/deep", std::string(1000, 'x'));
  const unique_fd folder(::open(f.path().c_str(), O_RDONLY | O_DIRECTORY));
  EXPECT_EQ(measure_folder(folder.get()).value(), 5 * name_bytes + 1001);
  EXPECT_EQ(measure_folder(folder.get(), 3).error().code, osvm::errc::limit_exceeded);
}

#ifdef OSVM_TEST_CONTROLS
TEST(mount_quota, control_without_the_rule_more_is_written) {
  const temp_folder f;
  quota_guest g(f);
  g.state.rules.mount_quota = false;
  const auto fd = g.create("/data/file");
  EXPECT_EQ(g.write(fd, 200 << 10), 200 << 10);
}
#endif

}  // namespace
