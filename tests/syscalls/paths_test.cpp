// The guest's name space, and ways out of it that must not exist. Each escape is tried with the rule on and,
// as the control that proves the attempt would work, with exactly that rule off.
#include "support/guest_without_vm.hpp"

#include <gtest/gtest.h>

#include <osvm/unikernel/error.hpp>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace osvm::unikernel::testing {
namespace {

class paths : public ::testing::Test {
 protected:
  paths() {
    std::filesystem::create_directories(folder / "inside/sub");
    folder.write("secret", "secret");
    folder.write("inside/file", "granted");
    folder.write("inside/sub/deep", "deep");
  }
  policy granted(bool writable = false) const {
    policy p;
    p.mounts.push_back({folder / "inside", "/data", writable});
    return p;
  }
  temp_folder folder;
};

TEST_F(paths, a_mount_shows_its_files_and_nothing_else_exists) {
  guest g(granted());
  EXPECT_EQ(g.slurp("/data/file"), "granted");
  EXPECT_EQ(g.slurp("/data/sub/../sub/deep"), "deep");
  EXPECT_EQ(g.slurp("/data//sub/./deep"), "deep");
  EXPECT_EQ(g.slurp("/data/missing"), "errno 2");
  EXPECT_EQ(g.denied(), 0u);
  EXPECT_EQ(g.slurp("/etc/shadow"), "errno 2");
  const auto denials = g.state.denials();
  ASSERT_EQ(denials.size(), 1u);
  EXPECT_EQ(denials[0].what, "open /etc/shadow");
  EXPECT_EQ(denials[0].rule, "--ro HOST:/etc/shadow");
}

// Tries one way out with the rule on, then with exactly that rule off.
void expect_contained(const policy& granted, const char* path, const char* secret = "secret") {
  guest g(granted);
  EXPECT_NE(g.slurp(path), secret) << path;
  EXPECT_TRUE(g.slurp(path).starts_with("errno ")) << path;
  guest control(granted);
  control.state.rules.beneath = false;
  EXPECT_EQ(control.slurp(path), secret) << "control: without the rule, " << path << " leads out";
}

TEST_F(paths, dot_dot_stays_in_the_guests_tree) {
  expect_contained(granted(), "/data/../secret");
  expect_contained(granted(), "/data/sub/../../secret");
  expect_contained(granted(), "/data/./sub/.././../secret");
}

TEST_F(paths, relative_link_out_of_the_mount) {
  std::filesystem::create_symlink("../secret", folder / "inside/link");
  std::filesystem::create_directory_symlink("..", folder / "inside/up");
  expect_contained(granted(), "/data/link");
  expect_contained(granted(), "/data/up/secret");
}

TEST_F(paths, absolute_link_out_of_the_mount) {
  std::filesystem::create_symlink(folder / "secret", folder / "inside/link");
  std::filesystem::create_directory_symlink(folder.path(), folder / "inside/dir");
  expect_contained(granted(), "/data/link");
  expect_contained(granted(), "/data/dir/secret");
}

TEST_F(paths, magic_links_of_the_host) {
  const int fd = ::open((folder / "secret").c_str(), O_RDONLY | O_CLOEXEC);
  const std::string magic = "/proc/self/fd/" + std::to_string(fd);
  std::filesystem::create_symlink(magic, folder / "inside/link");
  std::filesystem::create_symlink("/proc/self/root" + (folder / "secret"), folder / "inside/root");
  expect_contained(granted(), "/data/link");
  expect_contained(granted(), "/data/root");
  guest g(granted());
  EXPECT_EQ(g.slurp(magic), "errno 2") << "the guest's /proc/self/fd shows the guest's descriptors";
  ::close(fd);
}

// A whole /proc of the host below a mount: its links into this process must not be followed.
TEST_F(paths, magic_links_inside_a_mounted_proc) {
  policy p;
  p.mounts.push_back({"/proc/self", "/host", false});
  const int fd = ::open((folder / "secret").c_str(), O_RDONLY | O_CLOEXEC);
  expect_contained(p, ("/host/fd/" + std::to_string(fd)).c_str());
  expect_contained(p, ("/host/root" + (folder / "secret")).c_str());
  ::close(fd);
}

// A directory is swapped for a link to the outside, over and over, while the guest opens through it.
TEST_F(paths, link_swap_race) {
  std::filesystem::create_directories(folder / "outside");
  folder.write("outside/deep", "secret");
  const auto race = [&](bool beneath) {
    guest g(granted());
    g.state.rules.beneath = beneath;
    std::atomic<bool> stop{false};
    std::thread swapper([&] {
      const std::string a = folder / "inside/sub", b = folder / "inside/spare";
      std::filesystem::create_directory_symlink("../outside", b);
      while (!stop) ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
      if (std::filesystem::is_symlink(a))
        ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
      std::filesystem::remove(b);
    });
    const auto path = g.text("/data/sub/deep"), buffer = g.room(64);
    bool out = false, in = false;
    for (int i = 0; i < 20'000 && !(beneath ? in && i > 3000 : out); ++i) {
      const std::int64_t fd = g.call(2, {path, O_RDONLY, 0});
      if (fd < 0) continue;
      const std::int64_t n = g.call(0, {static_cast<std::uint64_t>(fd), buffer, 64});
      const std::string text = n > 0 ? g.bytes(buffer, static_cast<std::size_t>(n)) : "";
      out |= text == "secret";
      in |= text == "deep";
      g.call(3, {static_cast<std::uint64_t>(fd)});
    }
    stop = true;
    swapper.join();
    return std::pair(in, out);
  };
  EXPECT_EQ(race(true), std::pair(true, false));
  EXPECT_TRUE(race(false).second) << "control: without the rule the race is won";
}

// A parent directory moves out of the mount while the guest works below it.
TEST_F(paths, renamed_parent) {
  guest g(granted());
  const std::int64_t directory = g.open("/data/sub", O_RDONLY | O_DIRECTORY);
  ASSERT_GE(directory, 0);
  std::filesystem::rename(folder / "inside/sub", folder / "moved");
  const auto open_at = [&](guest& who, std::int64_t fd, std::string_view path) {
    return who.call(257, {static_cast<std::uint64_t>(fd), who.text(path), O_RDONLY, 0});
  };
  EXPECT_EQ(open_at(g, directory, "../secret"), -ENOENT);
  EXPECT_EQ(open_at(g, directory, "deep"), -ENOENT) << "names are looked up again, below the mount";
}

TEST_F(paths, links_inside_lead_where_the_guest_sees) {
  std::filesystem::create_symlink("sub/deep", folder / "inside/relative");
  std::filesystem::create_symlink("/data/file", folder / "inside/absolute");
  std::filesystem::create_symlink("loop", folder / "inside/loop");
  std::filesystem::create_symlink("/etc/hosts", folder / "inside/hosts");
  guest g(granted());
  EXPECT_EQ(g.slurp("/data/relative"), "deep");
  EXPECT_EQ(g.slurp("/data/absolute"), "granted");
  EXPECT_EQ(g.slurp("/data/hosts"), g.slurp("/etc/hosts"));
  EXPECT_EQ(g.open("/data/loop", O_RDONLY), -ELOOP);
  EXPECT_EQ(g.open("/data/relative", O_RDONLY | O_NOFOLLOW), -ELOOP);
  const auto buffer = g.room(64);
  EXPECT_EQ(g.call(89, {g.text("/data/relative"), buffer, 64}), 8);
  EXPECT_EQ(g.bytes(buffer, 8), "sub/deep");
}

TEST_F(paths, only_regular_files_and_directories_are_opened) {
  ASSERT_EQ(::mkfifo((folder / "inside/fifo").c_str(), 0600), 0);
  guest g(granted());
  EXPECT_EQ(g.open("/data/fifo", O_RDONLY), -EACCES);
  EXPECT_EQ(g.denied(), 1u);
  guest control(granted());
  control.state.rules.regular_files_only = false;
  EXPECT_GE(control.open("/data/fifo", O_RDONLY), 0);
}

TEST_F(paths, fifos_are_made_where_files_are_and_opened_by_who_made_them) {
  guest g(granted(true));
  const auto name = g.text("/data/own");
  ASSERT_EQ(g.call(133, {name, S_IFIFO | 0600, 0}), 0);
  EXPECT_GE(g.open("/data/own", O_RDONLY | O_NONBLOCK), 0);
  EXPECT_EQ(g.call(133, {g.text("/data/device"), S_IFCHR | 0600, 0x103}), -EPERM);
  guest other(granted(true));  // another instance with the same folder
  EXPECT_EQ(other.open("/data/own", O_RDONLY | O_NONBLOCK), -EACCES);
  EXPECT_EQ(other.call(133, {other.text("/data/own"), S_IFIFO | 0600, 0}), -EEXIST);
  guest reader(granted());
  EXPECT_EQ(reader.call(133, {reader.text("/data/more"), S_IFIFO | 0600, 0}), -EROFS);
}

TEST_F(paths, read_only_mounts_are_read_only) {
  guest g(granted());
  EXPECT_EQ(g.open("/data/file", O_WRONLY), -EROFS);
  EXPECT_EQ(g.open("/data/file", O_RDONLY | O_TRUNC), -EROFS);
  EXPECT_EQ(g.open("/data/new", O_CREAT | O_WRONLY), -EROFS);
  EXPECT_EQ(g.call(87, {g.text("/data/file")}), -EROFS);
  EXPECT_EQ(g.call(83, {g.text("/data/dir"), 0755}), -EROFS);
  EXPECT_EQ(g.call(82, {g.text("/data/file"), g.text("/data/other")}), -EROFS);
  EXPECT_EQ(g.call(90, {g.text("/data/file"), 0777}), -EROFS);
  EXPECT_EQ(g.call(76, {g.text("/data/file"), 0}), -EROFS);
  EXPECT_EQ(g.call(86, {g.text("/data/file"), g.text("/data/hard")}), -EROFS);
  EXPECT_EQ(g.call(21, {g.text("/data/file"), W_OK}), -EROFS);
  const std::int64_t fd = g.open("/data/file", O_RDONLY);
  EXPECT_EQ(g.call(1, {static_cast<std::uint64_t>(fd), g.text("x"), 1}), -EBADF);
  EXPECT_EQ(g.call(91, {static_cast<std::uint64_t>(fd), 0777}), -EROFS);
  EXPECT_EQ(g.open(("/proc/self/fd/" + std::to_string(fd)), O_WRONLY), -EROFS) << "reopening gains no right";
  EXPECT_EQ(g.slurp("/data/file"), "granted");
  guest control(granted());
  control.state.rules.read_only_mounts = false;
  EXPECT_GE(control.open("/data/file", O_WRONLY), 0);
  EXPECT_GE(control.open("/data/new", O_CREAT | O_WRONLY), 0);
}

TEST_F(paths, writable_mounts_take_files_and_names) {
  guest g(granted(true));
  const auto fd = static_cast<std::uint64_t>(g.open("/data/new", O_CREAT | O_RDWR | O_EXCL, 04666));
  ASSERT_LT(fd, 16u);
  EXPECT_EQ(g.call(1, {fd, g.text("text"), 4}), 4);
  EXPECT_EQ(g.call(17, {fd, g.room(8), 8, 1}), 3);
  EXPECT_EQ(g.open("/data/new", O_CREAT | O_WRONLY | O_EXCL), -EEXIST);
  struct stat st;
  ASSERT_EQ(::stat((folder / "inside/new").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0644u) << "no set-user-ID bit; the guest's umask";
  EXPECT_EQ(g.call(90, {g.text("/data/new"), 04755}), -EPERM);
  EXPECT_EQ(g.call(91, {fd, 02755}), -EPERM);
  EXPECT_EQ(g.call(90, {g.text("/data/new"), 0600}), 0);
  EXPECT_EQ(g.call(92, {g.text("/data/new"), 0, 0}), -EPERM);
  EXPECT_EQ(g.call(92, {g.text("/data/new"), 1000, 1000}), 0);
  EXPECT_EQ(g.call(83, {g.text("/data/dir"), 0755}), 0);
  EXPECT_EQ(g.call(82, {g.text("/data/new"), g.text("/data/dir/moved")}), 0);
  EXPECT_EQ(g.slurp("/data/dir/moved"), "text");
  EXPECT_EQ(g.call(88, {g.text("moved"), g.text("/data/dir/link")}), 0);
  EXPECT_EQ(g.slurp("/data/dir/link"), "text");
  for (const char* up : {"..", "../file", "a/../../secret", "./..", "/data/file"})
    EXPECT_EQ(g.call(88, {g.text(up), g.text("/data/dir/up")}), -EPERM) << up;
  EXPECT_EQ(g.call(84, {g.text("/data/dir")}), -ENOTEMPTY);
  EXPECT_EQ(g.call(87, {g.text("/data/dir/moved")}), 0);
  EXPECT_EQ(g.call(87, {g.text("/data/dir/link")}), 0);
  EXPECT_EQ(g.call(84, {g.text("/data/dir")}), 0);
  EXPECT_EQ(g.call(84, {g.text("/data")}), -EROFS) << "a mount point's parent is not the guest's";
}

// A link that the host would follow out of the mount is not made, although the guest itself could not follow
// it.
TEST_F(paths, links_that_would_lead_the_host_astray_are_refused) {
  guest g(granted(true));
  EXPECT_EQ(g.call(88, {g.text("/etc/shadow"), g.text("/data/l")}), -EPERM);
  EXPECT_EQ(g.call(88, {g.text("../secret"), g.text("/data/l")}), -EPERM);
  EXPECT_EQ(g.call(88, {g.text("sub/../../secret"), g.text("/data/l")}), -EPERM);
  guest control(granted(true));
  control.state.rules.beneath = false;
  EXPECT_EQ(control.call(88, {control.text("../secret"), control.text("/data/l")}), 0);
}

TEST_F(paths, hard_links_do_not_cross_mounts) {
  std::filesystem::create_directories(folder / "other");
  policy p = granted(true);
  p.mounts.push_back({folder / "other", "/other", true});
  guest g(p);
  EXPECT_EQ(g.call(86, {g.text("/data/file"), g.text("/other/hard")}), -EXDEV);
  EXPECT_EQ(g.call(82, {g.text("/data/file"), g.text("/other/moved")}), -EXDEV);
  EXPECT_EQ(g.call(86, {g.text("/data/file"), g.text("/data/hard")}), 0);
}

TEST_F(paths, written_bytes_are_budgeted) {
  const budgets little{.written_bytes = 16384};
  guest g(granted(true), little);
  const auto fd = static_cast<std::uint64_t>(g.open("/data/new", O_CREAT | O_RDWR));
  const auto from = g.room(40000);
  EXPECT_EQ(g.call(1, {fd, from, 8192}), 8192);
  EXPECT_EQ(g.call(1, {fd, from, 8192}), -ENOSPC);
  EXPECT_EQ(g.call(285, {fd, 0, 0, 8192}), -ENOSPC);
  EXPECT_EQ(g.call(1, {fd, from, 4096}), 4096);
  EXPECT_EQ(g.call(83, {g.text("/data/dir"), 0755}), -ENOSPC);
  guest control(granted(true), little);
  control.state.rules.write_budget = false;
  const auto again = static_cast<std::uint64_t>(control.open("/data/new2", O_CREAT | O_RDWR));
  EXPECT_EQ(control.call(1, {again, control.room(40000), 40000}), 40000);
}

TEST_F(paths, descriptors_are_budgeted) {
  const budgets few{.descriptors = 8};
  guest g(granted(), few);
  for (int i = 3; i < 8; ++i) EXPECT_EQ(g.open("/data/file", O_RDONLY), i);
  EXPECT_EQ(g.open("/data/file", O_RDONLY), -EMFILE);
  EXPECT_EQ(g.call(32, {0}), -EMFILE);
  guest control(granted(), few);
  control.state.rules.descriptor_budget = false;
  for (int i = 3; i < 40; ++i) EXPECT_EQ(control.open("/data/file", O_RDONLY), i);
}

TEST_F(paths, synthetic_files_answer) {
  guest g(granted());
  EXPECT_EQ(g.slurp("/proc/self/cgroup"), "0::/\n");
  EXPECT_EQ(g.slurp("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"), "2097152\n");
  EXPECT_NE(g.slurp("/proc/self/maps").find("rw-p"), std::string::npos);
  EXPECT_NE(g.slurp("/proc/meminfo").find("MemTotal:"), std::string::npos);
  EXPECT_EQ(g.slurp("/dev/null"), "");
  EXPECT_EQ(g.slurp("/dev/urandom").size(), 65536u);
  EXPECT_EQ(g.open("/etc/passwd", O_WRONLY), -EACCES);
  const auto buffer = g.room(64);
  EXPECT_EQ(g.call(89, {g.text("/proc/self/exe"), buffer, 64}), 4);
  EXPECT_EQ(g.bytes(buffer, 4), "/app");
  struct stat st {};
  const auto at = g.put(st);
  EXPECT_EQ(g.call(262, {1, g.text(""), at, AT_EMPTY_PATH}), 0);
  EXPECT_TRUE(S_ISCHR(g.get<struct stat>(at).st_mode));
}

std::vector<std::string> names_in(guest& g, std::string_view path) {
  std::vector<std::string> names;
  const std::int64_t fd = g.open(path, O_RDONLY | O_DIRECTORY);
  const auto buffer = g.room(4096);
  for (;;) {
    const std::int64_t n = g.call(217, {static_cast<std::uint64_t>(fd), buffer, 200});
    if (n <= 0) break;
    const std::string records = g.bytes(buffer, static_cast<std::size_t>(n));
    for (std::size_t at = 0; at < records.size();) {
      std::uint16_t length = 0;
      std::memcpy(&length, records.data() + at + 16, 2);
      names.emplace_back(records.data() + at + 19);
      at += length;
    }
  }
  g.call(3, {static_cast<std::uint64_t>(fd)});
  std::sort(names.begin(), names.end());
  return names;
}

TEST_F(paths, directories_list_files_and_mount_points) {
  guest g(granted());
  EXPECT_EQ(names_in(g, "/data"), (std::vector<std::string>{".", "..", "file", "sub"}));
  EXPECT_EQ(names_in(g, "/"), (std::vector<std::string>{".", "..", "data", "dev", "etc", "proc", "sys"}));
  EXPECT_EQ(names_in(g, "/proc/self/fd"), (std::vector<std::string>{".", "..", "0", "1", "2"}));
}

TEST_F(paths, ownership_is_the_guests) {
  guest g(granted());
  const auto at = g.room(sizeof(struct stat));
  EXPECT_EQ(g.call(4, {g.text("/data/file"), at}), 0);
  EXPECT_EQ(g.get<struct stat>(at).st_uid, 1000u);
  EXPECT_EQ(g.get<struct stat>(at).st_size, 7);
}

TEST_F(paths, the_working_directory_is_the_guests_own) {
  guest g(granted());
  EXPECT_EQ(g.call(80, {g.text("/data/sub")}), 0);
  EXPECT_EQ(g.slurp("deep"), "deep");
  EXPECT_EQ(g.slurp("../file"), "granted");
  const auto buffer = g.room(64);
  EXPECT_EQ(g.call(79, {buffer, 64}), 10);
  EXPECT_EQ(g.bytes(buffer, 9), "/data/sub");
  EXPECT_EQ(g.call(79, {buffer, 5}), -ERANGE);
}

TEST_F(paths, a_single_file_is_a_mount_too) {
  policy p;
  p.mounts.push_back({folder / "secret", "/etc/app/config", false});
  guest g(p);
  EXPECT_EQ(g.slurp("/etc/app/config"), "secret");
  EXPECT_EQ(g.slurp("/etc/app/config/"), "errno 20");
  EXPECT_EQ(g.slurp("/etc/app/config/../config"), "errno 20");
  EXPECT_EQ(g.slurp("/etc/app/../app/config"), "secret");
}

TEST(mounts, bad_ones_are_refused_by_name) {
  for (const mount& bad : {mount{"/nonexistent-host-path", "/x"}, mount{"/tmp", "relative"},
                           mount{"/tmp", "/a/../b"}, mount{"/dev/null", "/null"}}) {
    policy p;
    p.mounts.push_back(bad);
    const auto tree = file_tree::create(p);
    ASSERT_FALSE(tree) << bad.guest_path;
    EXPECT_EQ(tree.error().code, errc::bad_policy);
  }
}

}  // namespace
}  // namespace osvm::unikernel::testing
