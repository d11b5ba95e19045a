// A tree in memory in front of a source that never changes: what programs see of it, and what they cannot do
// to it.
#include "support/guest_without_vm.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <map>

namespace {

using namespace osvm;
using namespace osvm::unikernel;
using osvm::unikernel::testing::temp_folder;

std::uint64_t as_tree_arg(std::int64_t v) {
  return static_cast<std::uint64_t>(v);
}

// What an image would be, made of literals.
class literal_source : public file_source {
 public:
  literal_source() {
    folder("bin");
    file("bin/tool", std::string(8192, 'c'), 0755);
    folder("etc");
    folder("etc/conf.d");
    file("etc/conf.d/a", "a of the source");
    file("etc/conf.d/b", "b of the source");
    file("etc/motd", "motd of the source");
    folder("tmp");
    link("link", "etc/motd");
    file("etc-more", "sorts between etc and what it holds");
    std::sort(entries_.begin(), entries_.end(), [](const auto& x, const auto& y) { return x.path < y.path; });
  }
  std::span<const source_entry> entries() const noexcept override { return entries_; }
  result<std::shared_ptr<const unique_fd>> open(std::size_t number) const override {
    if (broken) return error(osvm::errc::truncated, "made so by the test");
    const std::string& path = entries_[number].path;
    if (auto known = open_[path].lock()) return known;
    auto fd = std::make_shared<unique_fd>(::memfd_create("literal", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const std::string& text = content_.at(path);
    if (::write(fd->get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      return errno_error(path);
    (void)::fcntl(fd->get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    open_[path] = fd;
    keep_.push_back(fd);
    return std::shared_ptr<const unique_fd>(std::move(fd));
  }
  std::atomic<bool> broken{false};

 private:
  void file(std::string path, std::string text, std::uint16_t mode = 0644) {
    entries_.push_back({.type = source_type::file,
                        .mode = mode,
                        .path = path,
                        .mtime = 1'000'000,
                        .size = text.size(),
                        .target = {}});
    content_[path] = std::move(text);
  }
  void folder(std::string path) {
    entries_.push_back({.type = source_type::folder, .mode = 0755, .path = std::move(path), .target = {}});
  }
  void link(std::string path, std::string target) {
    entries_.push_back(
        {.type = source_type::link, .mode = 0777, .path = std::move(path), .target = std::move(target)});
  }
  std::vector<source_entry> entries_;
  std::map<std::string, std::string> content_;
  mutable std::map<std::string, std::weak_ptr<const unique_fd>> open_;
  mutable std::vector<std::shared_ptr<const unique_fd>> keep_;
};

policy with_tree(std::shared_ptr<const file_source> source, std::vector<std::string> writable = {"/"},
                 std::uint64_t bytes = 1 << 20) {
  policy p;
  p.trees.push_back({.source = std::move(source), .writable = std::move(writable), .overlay_bytes = bytes});
  return p;
}

struct tree_guest : osvm::unikernel::testing::guest {
  explicit tree_guest(policy p) : guest(std::move(p)) {}
  explicit tree_guest(std::vector<std::string> writable = {"/"}, std::uint64_t bytes = 1 << 20)
      : guest(with_tree(std::make_shared<literal_source>(), std::move(writable), bytes)) {}

  std::int64_t close(std::int64_t fd) { return call(3, {as_tree_arg(fd)}); }
  // Creates or replaces: 0 or -errno.
  std::int64_t put_file(std::string_view path, std::string_view content_, int flags = O_TRUNC) {
    const auto fd = open(path, O_WRONLY | O_CREAT | flags);
    if (fd < 0) return fd;
    const auto n = call(1, {as_tree_arg(fd), text(content_), content_.size()});
    close(fd);
    return n == static_cast<std::int64_t>(content_.size()) ? 0 : n < 0 ? n : -EIO;
  }
  struct stat status(std::string_view path, std::int64_t* failed = nullptr) {
    const std::uint64_t at = room(sizeof(struct stat));
    const auto r = call(6, {text(path), at});
    if (failed) *failed = r;
    return r < 0 ? (struct stat){} : get<struct stat>(at);
  }
  std::int64_t missing(std::string_view path) {
    std::int64_t r = 0;
    (void)status(path, &r);
    return r;
  }
  std::vector<std::string> list(std::string_view path) {
    const auto fd = open(path, O_RDONLY | O_DIRECTORY);
    std::vector<std::string> names;
    if (fd < 0) return {"errno " + std::to_string(-fd)};
    const std::uint64_t at = room(4096);
    for (std::int64_t n; (n = call(217, {as_tree_arg(fd), at, 4096})) > 0;) {
      const std::string records = bytes(at, static_cast<std::size_t>(n));
      for (std::size_t o = 0; o < records.size();) {
        std::uint16_t length = 0;
        std::memcpy(&length, records.data() + o + 16, 2);
        const std::string name = records.c_str() + o + 19;
        if (name != "." && name != "..") names.push_back(name);
        o += length;
      }
    }
    close(fd);
    return names;
  }
  std::int64_t unlink(std::string_view path) { return call(87, {text(path)}); }
  std::int64_t rmdir(std::string_view path) { return call(84, {text(path)}); }
  std::int64_t mkdir(std::string_view path) { return call(83, {text(path), 0755}); }
  std::int64_t rename(std::string_view from, std::string_view to, unsigned flags = 0) {
    return call(316, {as_tree_arg(AT_FDCWD), text(from), as_tree_arg(AT_FDCWD), text(to), flags});
  }
};

using names = std::vector<std::string>;

TEST(memory_tree, shows_the_source_and_what_it_holds) {
  tree_guest g;
  EXPECT_EQ(g.slurp("/etc/motd"), "motd of the source");
  EXPECT_EQ(g.slurp("/link"), "motd of the source");
  EXPECT_EQ(g.slurp("/etc/../etc/conf.d/a"), "a of the source");
  EXPECT_EQ(g.list("/etc/conf.d"), (names{"a", "b"}));
  EXPECT_EQ(g.slurp("/etc/none"), "errno 2");
  EXPECT_EQ(g.slurp("/etc/motd/none"), "errno 20");
  const auto top = g.list("/");
  for (const char* name : {"bin", "etc", "etc-more", "link", "tmp", "proc"})
    EXPECT_EQ(std::count(top.begin(), top.end(), name), 1) << name;
  const auto st = g.status("/bin/tool");
  EXPECT_EQ(st.st_mode, S_IFREG | 0755U);
  EXPECT_EQ(st.st_size, 8192);
  EXPECT_EQ(st.st_mtim.tv_sec, 1'000'000);
  EXPECT_EQ(st.st_uid, 1000U);
  EXPECT_TRUE(S_ISLNK(g.status("/link").st_mode));
  EXPECT_EQ(g.denied(), 0U);
}

TEST(memory_tree, tmpfs_is_an_empty_folder_of_the_guests_own) {
  policy p;
  p.scratch = {{.guest_path = "/tmp"}, {.guest_path = "/dev/shm", .bytes = 64 << 10}};
  tree_guest one(p), other(p);
  EXPECT_EQ(one.list("/tmp"), names{});
  EXPECT_EQ(one.status("/tmp").st_mode, S_IFDIR | 01777U);
  ASSERT_EQ(one.put_file("/tmp/a", "mine"), 0);
  ASSERT_EQ(one.put_file("/dev/shm/b", "shared"), 0);
  EXPECT_EQ(one.slurp("/tmp/a"), "mine");
  EXPECT_EQ(other.list("/tmp"), names{});
  EXPECT_FALSE(std::filesystem::exists("/tmp/a"));
  EXPECT_EQ(one.put_file("/dev/shm/large", std::string(65536, 'x')), -ENOSPC);
  EXPECT_EQ(one.denied(), 0U);
  EXPECT_EQ(one.rmdir("/tmp"), -EROFS);
  tree_guest without{policy()};
  EXPECT_EQ(without.put_file("/dev/shm/b", "x"), -ENOENT);
  EXPECT_EQ(without.denied(), 1U);
}

TEST(memory_tree, a_change_is_the_guests_own_and_keeps_what_was_there) {
  const auto source = std::make_shared<literal_source>();
  tree_guest one(with_tree(source)), other(with_tree(source));
  const auto before = one.open("/etc/motd", O_RDONLY);
  ASSERT_GE(before, 0);
  ASSERT_EQ(one.put_file("/etc/motd", ", changed", O_APPEND), 0);
  EXPECT_EQ(one.slurp("/etc/motd"), "motd of the source, changed");
  EXPECT_EQ(one.slurp("/link"), "motd of the source, changed");
  EXPECT_EQ(other.slurp("/etc/motd"), "motd of the source");
  EXPECT_EQ(tree_guest(with_tree(source)).slurp("/etc/motd"), "motd of the source");
  ASSERT_EQ(one.call(90, {one.text("/bin/tool"), 0600}), 0);
  EXPECT_EQ(one.status("/bin/tool").st_mode, S_IFREG | 0600U);
  EXPECT_EQ(other.status("/bin/tool").st_mode, S_IFREG | 0755U);
  ASSERT_EQ(one.call(76, {one.text("/bin/tool"), 3}), 0);
  EXPECT_EQ(one.slurp("/bin/tool"), "ccc");
  EXPECT_EQ(other.status("/bin/tool").st_size, 8192);
}

TEST(memory_tree, removed_names_are_gone_and_may_come_back) {
  tree_guest g;
  EXPECT_EQ(g.rmdir("/etc/conf.d"), -ENOTEMPTY);
  EXPECT_EQ(g.unlink("/etc/conf.d"), -EISDIR);
  ASSERT_EQ(g.unlink("/etc/conf.d/a"), 0);
  EXPECT_EQ(g.missing("/etc/conf.d/a"), -ENOENT);
  EXPECT_EQ(g.unlink("/etc/conf.d/a"), -ENOENT);
  EXPECT_EQ(g.list("/etc/conf.d"), names{"b"});
  ASSERT_EQ(g.put_file("/etc/conf.d/a", "new"), 0);
  EXPECT_EQ(g.slurp("/etc/conf.d/a"), "new");
  ASSERT_EQ(g.unlink("/etc/conf.d/a"), 0);
  ASSERT_EQ(g.unlink("/etc/conf.d/b"), 0);
  ASSERT_EQ(g.rmdir("/etc/conf.d"), 0);
  ASSERT_EQ(g.mkdir("/etc/conf.d"), 0);
  EXPECT_EQ(g.list("/etc/conf.d"), names{}) << "a new folder does not show the old one's files";
  EXPECT_EQ(g.missing("/etc/conf.d/b"), -ENOENT);
}

TEST(memory_tree, renames_move_what_the_source_holds) {
  tree_guest g;
  ASSERT_EQ(g.rename("/etc/conf.d", "/tmp/moved"), 0);
  EXPECT_EQ(g.list("/tmp/moved"), (names{"a", "b"}));
  EXPECT_EQ(g.slurp("/tmp/moved/b"), "b of the source");
  EXPECT_EQ(g.missing("/etc/conf.d"), -ENOENT);
  EXPECT_EQ(g.rename("/tmp", "/tmp/moved/in"), -EINVAL);
  EXPECT_EQ(g.rename("/etc/motd", "/tmp/moved"), -EISDIR);
  EXPECT_EQ(g.rename("/tmp/moved", "/etc/motd"), -ENOTDIR);
  EXPECT_EQ(g.rename("/etc/motd", "/etc-more", RENAME_NOREPLACE), -EEXIST);
  ASSERT_EQ(g.rename("/etc/motd", "/tmp/moved", RENAME_EXCHANGE), 0);
  EXPECT_EQ(g.slurp("/tmp/moved"), "motd of the source");
  EXPECT_EQ(g.list("/etc/motd"), (names{"a", "b"}));
  ASSERT_EQ(g.rename("/tmp/moved", "/etc-more"), 0);
  EXPECT_EQ(g.slurp("/etc-more"), "motd of the source");
  EXPECT_EQ(g.list("/tmp"), names{});
}

TEST(memory_tree, links_hard_and_symbolic) {
  tree_guest g;
  ASSERT_EQ(g.call(86, {g.text("/etc/motd"), g.text("/tmp/same")}), 0);
  EXPECT_EQ(g.status("/tmp/same").st_nlink, 2U);
  EXPECT_EQ(g.status("/tmp/same").st_ino, g.status("/etc/motd").st_ino);
  ASSERT_EQ(g.put_file("/tmp/same", "both"), 0);
  EXPECT_EQ(g.slurp("/etc/motd"), "both");
  ASSERT_EQ(g.unlink("/etc/motd"), 0);
  EXPECT_EQ(g.slurp("/tmp/same"), "both");
  EXPECT_EQ(g.status("/tmp/same").st_nlink, 1U);
  ASSERT_EQ(g.call(88, {g.text("../bin/tool"), g.text("/tmp/tool")}), 0);
  EXPECT_EQ(g.slurp("/tmp/tool").size(), 8192U);
  ASSERT_EQ(g.call(88, {g.text("/tmp/loop"), g.text("/tmp/loop")}), 0);
  EXPECT_EQ(g.slurp("/tmp/loop"), "errno 40");
}

TEST(memory_tree, an_open_file_outlives_its_name_and_needs_none) {
  tree_guest g;
  ASSERT_EQ(g.put_file("/tmp/f", "text"), 0);
  const auto fd = g.open("/tmp/f", O_RDWR);
  ASSERT_EQ(g.unlink("/tmp/f"), 0);
  EXPECT_EQ(g.call(18, {as_tree_arg(fd), g.text("TE"), 2, 0}), 2);
  const auto at = g.room(4);
  EXPECT_EQ(g.call(17, {as_tree_arg(fd), at, 4, 0}), 4);
  EXPECT_EQ(g.bytes(at, 4), "TExt");
  const auto unnamed = g.open("/tmp", O_TMPFILE | O_RDWR, 0600);
  ASSERT_GE(unnamed, 0);
  EXPECT_EQ(g.call(1, {as_tree_arg(unnamed), at, 4}), 4);
  EXPECT_EQ(g.list("/tmp"), names{});
  EXPECT_EQ(g.open("/tmp", O_TMPFILE | O_RDONLY, 0600), -EINVAL);
}

// Names and small files must not use up the host's descriptors.
TEST(memory_tree, a_thousand_closed_files_hold_no_host_descriptors) {
  tree_guest g({"/"}, 64 << 20);
  const auto host_descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  ASSERT_EQ(g.put_file("/tmp/first", "x"), 0);
  const auto before = host_descriptors();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(g.put_file("/tmp/f" + std::to_string(i), "content"), 0);
  EXPECT_LE(host_descriptors(), before + 2);
  EXPECT_EQ(g.slurp("/tmp/f999"), "content");
  const auto first = g.status("/tmp/f0").st_ino;
  EXPECT_EQ(g.slurp("/tmp/f0"), "content");
  EXPECT_EQ(g.status("/tmp/f0").st_ino, first);
}

TEST(memory_tree, its_bytes_are_bounded_and_come_back) {
  constexpr std::uint64_t limit = 64 << 10;
  tree_guest g({"/"}, limit);
  const auto fd = g.open("/tmp/big", O_CREAT | O_RDWR);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(g.call(1, {as_tree_arg(fd), tree_guest::base, 60 << 10}), 60 << 10);
  EXPECT_EQ(g.call(1, {as_tree_arg(fd), tree_guest::base, 1}), -ENOSPC);
  EXPECT_EQ(g.mkdir("/tmp/d"), -ENOSPC);
  EXPECT_EQ(g.put_file("/etc/motd", "x", O_APPEND), -ENOSPC);
  EXPECT_EQ(g.call(77, {as_tree_arg(fd), 1 << 20}), -ENOSPC);
  EXPECT_EQ(g.call(285, {as_tree_arg(fd), 0, 0, 1 << 20}), -ENOSPC);
  EXPECT_EQ(g.slurp("/etc/motd"), "motd of the source");
  ASSERT_EQ(g.unlink("/tmp/big"), 0);
  EXPECT_EQ(g.mkdir("/tmp/d"), -ENOSPC) << "the file is still open";
  g.close(fd);
  EXPECT_EQ(g.mkdir("/tmp/d"), 0);
}
TEST(memory_tree, control_without_the_quota_rule_it_takes_more) {
  tree_guest g({"/"}, 64 << 10);
  g.state.rules.mount_quota = false;
  const auto fd = g.open("/tmp/big", O_CREAT | O_RDWR);
  EXPECT_EQ(g.call(1, {as_tree_arg(fd), tree_guest::base, 128 << 10}), 128 << 10);
}

TEST(memory_tree, memory_behind_a_files_end_counts) {
  tree_guest g({"/"}, 64 << 10);
  const auto fd = g.open("/tmp/f", O_CREAT | O_RDWR);
  std::int64_t taken = 0;
  for (int i = 0; i < 100; ++i)
    taken += g.call(285, {as_tree_arg(fd), 1 /* KEEP_SIZE */, as_tree_arg(i * 8192), 8192}) == 0 ? 8192 : 0;
  EXPECT_GT(taken, 0);
  EXPECT_LE(taken, 64 << 10);
}

TEST(memory_tree, sendfile_and_splice_count_too) {
  tree_guest g({"/"}, 64 << 10);
  const auto from = g.open("/bin/tool", O_RDONLY), to = g.open("/tmp/copy", O_CREAT | O_RDWR);
  ASSERT_GE(to, 0);
  std::int64_t copied = 0, last = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(g.call(8, {as_tree_arg(from), 0, SEEK_SET}), 0);
    if ((last = g.call(40, {as_tree_arg(to), as_tree_arg(from), 0, 8192})) < 0) break;
    copied += last;
  }
  EXPECT_EQ(last, -ENOSPC);
  EXPECT_LE(copied, 60 << 10);
}

TEST(memory_tree, only_writable_folders_change) {
  tree_guest g(std::vector<std::string>{"/tmp", "/var/lib/app"});
  EXPECT_EQ(g.put_file("/etc/motd", "x"), -EROFS);
  EXPECT_EQ(g.unlink("/etc/motd"), -EROFS);
  EXPECT_EQ(g.rename("/etc/motd", "/tmp/motd"), -EROFS);
  EXPECT_EQ(g.mkdir("/new"), -EROFS);
  EXPECT_EQ(g.call(90, {g.text("/bin/tool"), 0600}), -EROFS);
  EXPECT_EQ(g.put_file("/tmp/f", "x"), 0);
  EXPECT_EQ(g.put_file("/var/lib/app/state", "x"), 0);
  EXPECT_EQ(g.rmdir("/tmp"), -EBUSY);
  EXPECT_GT(g.denied(), 0U);
}
TEST(memory_tree, control_without_the_rule_its_files_change) {
  tree_guest g(std::vector<std::string>{"/tmp"});
  g.state.rules.read_only_mounts = false;
  EXPECT_EQ(g.put_file("/etc/motd", "x"), 0);
}

// Code of the source may run; what the guest has written may not, even at the same path.
TEST(memory_tree, only_unchanged_files_are_mapped_executable) {
  tree_guest g;
  const auto map = [&](std::int64_t fd) {
    return g.call(9, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, as_tree_arg(fd), 0});
  };
  EXPECT_GT(map(g.open("/bin/tool", O_RDONLY)), 0);
  ASSERT_EQ(g.put_file("/bin/tool", std::string(4096, 'x')), 0);
  EXPECT_EQ(map(g.open("/bin/tool", O_RDONLY)), -EACCES);
  g.state.rules.write_xor_execute = false;  // the control
  EXPECT_GT(map(g.open("/bin/tool", O_RDONLY)), 0);
}

// Two instances share the pages of unchanged files; neither may reach the other through them.
TEST(memory_tree, a_lock_on_shared_content_stays_inside) {
  const auto source = std::make_shared<literal_source>();
  tree_guest one(with_tree(source)), other(with_tree(source));
  struct flock all {};
  all.l_type = F_RDLCK;
  for (tree_guest* g : {&one, &other}) {
    const auto fd = g->open("/etc/motd", O_RDONLY);
    EXPECT_EQ(g->call(72, {as_tree_arg(fd), F_OFD_SETLK, g->put(all)}), 0);
    EXPECT_EQ(g->call(73, {as_tree_arg(fd), 2 /* LOCK_EX */ | 4 /* LOCK_NB */}), 0);
  }
}

TEST(memory_tree, a_source_that_breaks_its_promise_ends_the_guest) {
  const auto source = std::make_shared<literal_source>();
  tree_guest g(with_tree(source));
  source->broken = true;
  EXPECT_EQ(g.slurp("/etc/motd"), "errno 5");
  ASSERT_TRUE(g.host.ended);
  EXPECT_EQ(g.host.ended->cause, exit_cause::failed);
  EXPECT_NE(g.host.ended->detail.find("/etc/motd"), std::string::npos);
}

// Each round puts all so far into one more folder: deeper than freeing them by recursion would survive.
TEST(memory_tree, folders_nested_without_end_do_not_end_the_host) {
  constexpr int depth = 20'000;
  tree_guest g({"/"}, std::uint64_t{256} << 20);
  const auto inner = g.text("/tmp/d"), outer = g.text("/tmp/t"), inside = g.text("/tmp/t/d");
  ASSERT_EQ(g.call(83, {inner, 0755}), 0);
  for (int i = 0; i < depth; ++i) {
    ASSERT_EQ(g.call(83, {outer, 0755}), 0);
    ASSERT_EQ(g.call(82, {inner, inside}), 0);
    ASSERT_EQ(g.call(82, {outer, inner}), 0);
  }
}

TEST(memory_tree, a_mount_of_the_host_comes_first) {
  const temp_folder f;
  f.write("motd", "of the host");
  policy p = with_tree(std::make_shared<literal_source>());
  p.mounts = {{.host_path = f.path(), .guest_path = "/etc"}};
  tree_guest g(std::move(p));
  EXPECT_EQ(g.slurp("/etc/motd"), "of the host");
  EXPECT_EQ(g.put_file("/etc/motd", "x"), -EROFS);
  EXPECT_EQ(g.rename("/etc", "/tmp/etc"), -EBUSY);
}

TEST(memory_tree, without_a_source_it_is_an_empty_folder) {
  policy p;
  p.trees.push_back({.source = nullptr, .guest_path = "/scratch", .writable = {"/scratch"}});
  tree_guest g(std::move(p));
  EXPECT_EQ(g.list("/scratch"), names{});
  EXPECT_EQ(g.put_file("/scratch/f", "text"), 0);
  EXPECT_EQ(g.slurp("/scratch/f"), "text");
}

TEST(memory_tree, a_writable_path_that_is_a_file_is_refused) {
  for (const char* path : {"/etc/motd", "etc", "/../x"}) {
    const auto made = file_tree::create(with_tree(std::make_shared<literal_source>(), {path}));
    ASSERT_FALSE(made) << path;
    EXPECT_EQ(made.error().code, unikernel::errc::bad_policy);
  }
}

}  // namespace
