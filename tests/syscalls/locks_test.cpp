// Advisory locks: real on the host below writable mounts, without effect below read-only ones. And the calls
// that move bytes between descriptors.
#include "support/guest_without_vm.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <sys/file.h>

#include <thread>

namespace osvm::unikernel::testing {
namespace {

class locks : public ::testing::Test {
 protected:
  locks() { folder.write("file", "0123456789"); }
  policy granted(bool writable = true) const {
    policy p;
    p.mounts.push_back({folder.path(), "/data", writable});
    return p;
  }
  static struct flock whole(short type) {
    return {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
  }
  static std::int64_t lock(guest& g, std::int64_t fd, short type, int command = F_SETLK) {
    return g.call(SYS_fcntl,
                  {static_cast<std::uint64_t>(fd), static_cast<std::uint64_t>(command), g.put(whole(type))});
  }
  // Whether the host could take a write lock now: nobody else holds one.
  bool free_on_host() const {
    const unique_fd fd(::open((folder / "file").c_str(), O_RDWR | O_CLOEXEC));
    struct flock l = whole(F_WRLCK);
    require(::fcntl(fd.get(), F_OFD_GETLK, &l) == 0, "F_OFD_GETLK");
    return l.l_type == F_UNLCK;
  }
  temp_folder folder;
};

TEST_F(locks, of_one_guest_stop_another_and_the_host) {
  guest a(granted()), b(granted());
  const auto fa = a.open("/data/file", O_RDWR), fb = b.open("/data/file", O_RDWR);
  EXPECT_TRUE(free_on_host());
  EXPECT_EQ(lock(a, fa, F_WRLCK), 0);
  EXPECT_FALSE(free_on_host());
  EXPECT_EQ(lock(b, fb, F_RDLCK), -EAGAIN);
  const std::uint64_t asked = b.put(whole(F_RDLCK));
  EXPECT_EQ(b.call(SYS_fcntl, {static_cast<std::uint64_t>(fb), F_GETLK, asked}), 0);
  EXPECT_EQ(b.get<struct flock>(asked).l_type, F_WRLCK);
  EXPECT_EQ(lock(a, fa, F_UNLCK), 0);
  EXPECT_EQ(lock(b, fb, F_WRLCK), 0);
}

TEST_F(locks, of_one_guest_never_conflict_with_itself) {
  guest g(granted());
  const auto one = g.open("/data/file", O_RDWR), two = g.open("/data/file", O_RDWR);
  EXPECT_EQ(lock(g, one, F_WRLCK), 0);
  EXPECT_EQ(lock(g, two, F_WRLCK), 0);
  const std::uint64_t asked = g.put(whole(F_WRLCK));
  EXPECT_EQ(g.call(SYS_fcntl, {static_cast<std::uint64_t>(two), F_GETLK, asked}), 0);
  EXPECT_EQ(g.get<struct flock>(asked).l_type, F_UNLCK);
  EXPECT_EQ(g.call(SYS_close, {static_cast<std::uint64_t>(two)}), 0);
  EXPECT_TRUE(free_on_host())
      << "as POSIX has it, closing any descriptor of the file drops the process's locks";
}

TEST_F(locks, end_with_the_instance) {
  {
    guest g(granted());
    EXPECT_EQ(lock(g, g.open("/data/file", O_RDWR), F_WRLCK), 0);
    EXPECT_FALSE(free_on_host());
  }
  EXPECT_TRUE(free_on_host());
}

TEST_F(locks, below_a_read_only_mount_stop_nobody) {
  guest g(granted(false));
  const auto fd = g.open("/data/file", O_RDONLY);
  EXPECT_EQ(lock(g, fd, F_RDLCK), 0);
  EXPECT_EQ(g.call(SYS_flock, {static_cast<std::uint64_t>(fd), LOCK_EX}), 0);
  EXPECT_TRUE(free_on_host());
  const unique_fd host(::open((folder / "file").c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(::flock(host.get(), LOCK_EX | LOCK_NB), 0);
}

TEST_F(locks, need_the_right_of_the_descriptor) {
  guest g(granted());
  EXPECT_EQ(lock(g, g.open("/data/file", O_RDONLY), F_WRLCK), -EBADF);
  EXPECT_EQ(lock(g, g.open("/data/file", O_WRONLY), F_RDLCK), -EBADF);
  EXPECT_EQ(lock(g, g.open("/data/file", O_RDWR), 77), -EINVAL);
  EXPECT_EQ(lock(g, 99, F_RDLCK), -EBADF);
  const auto fd = static_cast<std::uint64_t>(g.open("/data/file", O_RDWR));
  EXPECT_EQ(g.call(SYS_fcntl, {fd, F_SETLK, guest::unmapped}), -EFAULT);
  struct flock far = whole(F_WRLCK);
  far.l_start = -1;
  EXPECT_EQ(g.call(SYS_fcntl, {fd, F_SETLK, g.put(far)}), -EINVAL);
}

TEST_F(locks, a_waiting_lock_is_taken_when_it_becomes_free) {
  guest a(granted()), b(granted());
  const auto fa = a.open("/data/file", O_RDWR), fb = b.open("/data/file", O_RDWR);
  ASSERT_EQ(lock(a, fa, F_WRLCK), 0);
  std::int64_t waited = 1;
  std::thread waiting([&] { waited = lock(b, fb, F_WRLCK, F_SETLKW); });
  EXPECT_EQ(lock(a, fa, F_UNLCK), 0);
  waiting.join();
  EXPECT_EQ(waited, 0);
  b.thread.wait.interrupt();
  EXPECT_EQ(lock(a, fa, F_WRLCK), -EAGAIN);
  a.thread.wait.interrupt();
  EXPECT_EQ(lock(a, fa, F_WRLCK, F_SETLKW), -EINTR) << "a guest that ends does not wait on";
}

TEST_F(locks, by_flock_belong_to_the_open_file_and_its_duplicates) {
  guest a(granted()), b(granted());
  const auto fa = static_cast<std::uint64_t>(a.open("/data/file", O_RDWR)),
             fb = static_cast<std::uint64_t>(b.open("/data/file", O_RDWR));
  EXPECT_EQ(a.call(SYS_flock, {fa, LOCK_EX}), 0);
  const auto copy = static_cast<std::uint64_t>(a.call(SYS_dup, {fa}));
  EXPECT_EQ(b.call(SYS_flock, {fb, LOCK_SH | LOCK_NB}), -EWOULDBLOCK);
  EXPECT_EQ(a.call(SYS_close, {fa}), 0);
  EXPECT_EQ(b.call(SYS_flock, {fb, LOCK_SH | LOCK_NB}), -EWOULDBLOCK) << "the duplicate keeps it";
  EXPECT_EQ(a.call(SYS_close, {copy}), 0);
  EXPECT_EQ(b.call(SYS_flock, {fb, LOCK_SH | LOCK_NB}), 0);
  EXPECT_EQ(b.call(SYS_flock, {fb, 77}), -EINVAL);
}

TEST_F(locks, sendfile_and_copy_file_range_move_bytes_and_positions) {
  guest g(granted());
  const auto in = static_cast<std::uint64_t>(g.open("/data/file", O_RDONLY));
  const auto out = static_cast<std::uint64_t>(g.open("/data/out", O_RDWR | O_CREAT));
  EXPECT_EQ(g.call(SYS_sendfile, {out, in, 0, 4}), 4);
  const std::uint64_t offset = g.put<std::int64_t>(8);
  EXPECT_EQ(g.call(SYS_sendfile, {out, in, offset, 100}), 2);
  EXPECT_EQ(g.get<std::int64_t>(offset), 10);
  EXPECT_EQ(g.call(SYS_copy_file_range, {in, 0, out, 0, 3, 0}), 3)
      << "goes on where sendfile() left the position";
  EXPECT_EQ(g.slurp("/data/out"), "012389456");
  const std::uint64_t to = g.put<std::int64_t>(1);
  EXPECT_EQ(g.call(SYS_copy_file_range, {in, g.put<std::int64_t>(0), out, to, 2, 0}), 2);
  EXPECT_EQ(g.get<std::int64_t>(to), 3);
  EXPECT_EQ(g.slurp("/data/out"), "001389456");
  EXPECT_EQ(g.call(SYS_sendfile, {in, out, 0, 4}), -EBADF) << "not open for writing";
  EXPECT_EQ(g.call(SYS_copy_file_range, {in, 0, out, 0, 3, 1}), -EINVAL);
  EXPECT_EQ(g.call(SYS_sendfile, {out, in, guest::unmapped, 1}), -EFAULT);
}

TEST_F(locks, copied_bytes_count_as_written) {
  budgets few;
  few.written_bytes = 4096 + 6;
  guest g(granted(), few);
  const auto in = static_cast<std::uint64_t>(g.open("/data/file", O_RDONLY));
  const auto out = static_cast<std::uint64_t>(g.open("/data/out", O_WRONLY | O_CREAT));
  EXPECT_EQ(g.call(SYS_sendfile, {out, in, 0, 10}), -ENOSPC);
  EXPECT_EQ(g.call(SYS_sendfile, {out, in, 0, 6}), 6);
  guest control(granted(), few);
  control.state.rules.write_budget = false;
  const auto in2 = static_cast<std::uint64_t>(control.open("/data/file", O_RDONLY));
  const auto out2 = static_cast<std::uint64_t>(control.open("/data/out2", O_WRONLY | O_CREAT));
  EXPECT_EQ(control.call(SYS_sendfile, {out2, in2, 0, 10}), 10)
      << "control: without the rule nothing is counted";
}

}  // namespace
}  // namespace osvm::unikernel::testing
