// Memory files, pipes' sizes, copies between descriptors, inotify: what they are charged, and what they
// refuse.
#include "support/guest_without_vm.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace {

using namespace osvm;
using namespace osvm::unikernel;
using namespace osvm::unikernel::testing;

std::uint64_t u(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

class descriptors : public ::testing::Test {
 protected:
  policy mounted() {
    policy p;
    p.mounts = {{folder.path(), "/data", true}};
    return p;
  }
  static std::pair<std::uint64_t, std::uint64_t> pair(guest& g, std::uint64_t number) {
    const auto at = g.room(8);
    if (number == SYS_pipe2) EXPECT_EQ(g.call(SYS_pipe2, {at, O_NONBLOCK}), 0);
    if (number == SYS_socketpair)
      EXPECT_EQ(g.call(SYS_socketpair, {AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, at}), 0);
    return {u(g.get<int>(at)), u(g.get<int>(at + 4))};
  }
  static std::string drain(guest& g, std::uint64_t fd) {
    const auto buffer = g.room(4096);
    const auto n = g.call(SYS_read, {fd, buffer, 4096});
    return n < 0 ? "errno " + std::to_string(-n) : g.bytes(buffer, static_cast<std::size_t>(n));
  }
  temp_folder folder;
};

TEST_F(descriptors, memory_files_are_charged_by_what_they_hold) {
  guest g({}, {.memory_bytes = 4 << 20});
  const auto fd = u(g.call(SYS_memfd_create, {g.text("x"), MFD_ALLOW_SEALING}));
  EXPECT_EQ(g.call(SYS_ftruncate, {fd, 1 << 30}), 0) << "a hole costs nothing";
  EXPECT_EQ(g.state.object_bytes->load(), 0u);
  std::int64_t r = 0;
  int written = 0;
  for (; written < 64 && (r = g.call(SYS_write, {fd, guest::base, 256 << 10})) > 0; ++written) {
  }
  EXPECT_EQ(r, -ENOSPC);
  EXPECT_GE(written, 4);
  EXPECT_LT(written, 16);
  EXPECT_LE(g.state.object_bytes->load(), 4u << 20);
  EXPECT_EQ(g.call(SYS_ftruncate, {fd, 0}), 0);
  EXPECT_EQ(g.state.object_bytes->load(), 0u);
  EXPECT_EQ(g.call(SYS_write, {fd, guest::base, 4096}), 4096);
  EXPECT_EQ(g.call(SYS_fcntl, {fd, F_ADD_SEALS, F_SEAL_WRITE}), 0);
  EXPECT_EQ(g.call(SYS_write, {fd, guest::base, 1}), -EPERM);
  EXPECT_EQ(g.call(SYS_fcntl, {fd, F_GET_SEALS, 0}), F_SEAL_WRITE);
  EXPECT_EQ(g.call(SYS_close, {fd}), 0);
  EXPECT_EQ(g.state.object_bytes->load(), 0u);
  guest control({}, {.memory_bytes = 4 << 20});
  control.state.rules.memory_budget = false;
  const auto free = u(control.call(SYS_memfd_create, {control.text("x"), 0}));
  for (int i = 0; i < 24; ++i) EXPECT_EQ(control.call(SYS_write, {free, guest::base, 256 << 10}), 256 << 10);
}

TEST_F(descriptors, larger_pipes_are_charged) {
  guest g({}, {.memory_bytes = 3 << 20});
  const auto [in, out] = pair(g, SYS_pipe2);
  const auto before = g.state.object_bytes->load();
  EXPECT_EQ(g.call(SYS_fcntl, {out, F_SETPIPE_SZ, 256 << 10}), 256 << 10);
  EXPECT_EQ(g.call(SYS_fcntl, {in, F_GETPIPE_SZ, 0}), 256 << 10);
  EXPECT_EQ(g.state.object_bytes->load() - before, 192u << 10);
  EXPECT_EQ(g.call(SYS_fcntl, {out, F_SETPIPE_SZ, 2 << 20}), -EPERM);
  EXPECT_EQ(g.call(SYS_fcntl, {out, F_SETPIPE_SZ, 4096}), 4096);
  EXPECT_EQ(g.state.object_bytes->load(), 4096u);
}

TEST_F(descriptors, sendfile_to_each_kind) {
  folder.write("file", "0123456789");
  guest g(mounted());
  const auto file = u(g.open("/data/file", O_RDONLY));
  const auto [a, b] = pair(g, SYS_socketpair);
  const auto offset = g.put(std::int64_t{3});
  EXPECT_EQ(g.call(SYS_sendfile, {a, file, offset, 4}), 4);
  EXPECT_EQ(g.get<std::int64_t>(offset), 7);
  EXPECT_EQ(drain(g, b), "3456");
  EXPECT_EQ(g.call(SYS_sendfile, {a, file, 0, 100}), 10) << "from its own position to its end";
  EXPECT_EQ(drain(g, b), "0123456789");
  EXPECT_EQ(g.call(SYS_sendfile, {a, file, 0, 100}), 0);
  const auto [in, out] = pair(g, SYS_pipe2);
  EXPECT_EQ(g.call(SYS_lseek, {file, 0, 0}), 0);
  EXPECT_EQ(g.call(SYS_sendfile, {out, file, 0, 5}), 5);
  EXPECT_EQ(drain(g, in), "01234");
  const auto copy = u(g.open("/data/copy", O_CREAT | O_RDWR));
  EXPECT_EQ(g.call(SYS_sendfile, {copy, file, 0, 100}), 5);
  EXPECT_EQ(g.slurp("/data/copy"), "56789");
  EXPECT_EQ(g.call(SYS_sendfile, {copy, in, 0, 1}), -EINVAL);
  EXPECT_EQ(g.call(SYS_sendfile, {file, file, 0, 1}), -EBADF) << "not open for writing";
}

TEST_F(descriptors, splice_and_tee) {
  guest g;
  const auto [in, out] = pair(g, SYS_pipe2);
  const auto [in2, out2] = pair(g, SYS_pipe2);
  const auto [a, b] = pair(g, SYS_socketpair);
  EXPECT_EQ(g.call(SYS_write, {out, g.text("hello"), 5}), 5);
  EXPECT_EQ(g.call(SYS_tee, {in, out2, 100, 0}), 5);
  EXPECT_EQ(g.call(SYS_splice, {in, 0, a, 0, 100, 0}), 5);
  EXPECT_EQ(drain(g, b), "hello");
  EXPECT_EQ(drain(g, in2), "hello");
  EXPECT_EQ(g.call(SYS_splice, {in, 0, a, 0, 100, 0}), -EAGAIN);
  EXPECT_EQ(g.call(SYS_splice, {a, 0, b, 0, 1, 0}), -EINVAL) << "no pipe";
  EXPECT_EQ(g.call(SYS_splice, {in, g.put(std::int64_t{0}), a, 0, 1, 0}), -ESPIPE);
  EXPECT_EQ(g.call(278, {in, 0, 0, 0}), -ENOSYS);
  EXPECT_EQ(g.call(425, {1, 0}), -ENOSYS);
  EXPECT_EQ(g.denied(), 2u) << "vmsplice and io_uring by name";
}

TEST_F(descriptors, copies_count_as_written) {
  folder.write("file", std::string(10000, 'x'));
  guest g(mounted(), {.written_bytes = 12000});
  const auto file = u(g.open("/data/file", O_RDONLY)), copy = u(g.open("/data/copy", O_CREAT | O_RDWR));
  EXPECT_EQ(g.call(SYS_copy_file_range, {file, 0, copy, 0, 4000, 0}), 4000);
  EXPECT_EQ(g.call(SYS_sendfile, {copy, file, 0, 10000}), -ENOSPC);
  EXPECT_EQ(g.call(SYS_copy_file_range, {file, 0, copy, 0, 10000, 0}), -ENOSPC);
  guest control(mounted(), {.written_bytes = 12000});
  control.state.rules.write_budget = false;
  const auto from = u(control.open("/data/file", O_RDONLY)), to = u(control.open("/data/copy", O_RDWR));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(control.call(SYS_lseek, {from, 0, 0}), 0);
    EXPECT_EQ(control.call(SYS_sendfile, {to, from, 0, 10000}), 10000);
  }
}

TEST_F(descriptors, inotify_sees_granted_folders_only) {
  guest g(mounted());
  const auto fd = u(g.call(SYS_inotify_init1, {IN_NONBLOCK}));
  const auto watch = g.call(SYS_inotify_add_watch, {fd, g.text("/data"), IN_CREATE});
  EXPECT_GT(watch, 0);
  EXPECT_EQ(g.call(SYS_inotify_add_watch, {fd, g.text("/etc/shadow"), IN_ALL_EVENTS}), -ENOENT);
  EXPECT_EQ(g.call(SYS_inotify_add_watch, {fd, g.text("/data/missing"), IN_ALL_EVENTS}), -ENOENT);
  EXPECT_EQ(drain(g, fd), "errno 11");
  folder.write("new", "x");
  const auto buffer = g.room(256);
  ASSERT_GE(g.call(SYS_read, {fd, buffer, 256}), 16);
  const auto event = g.get<inotify_event>(buffer);
  EXPECT_EQ(event.wd, watch);
  EXPECT_EQ(event.mask, IN_CREATE);
  EXPECT_EQ(g.bytes(buffer + 16, 3), "new");
  EXPECT_EQ(g.call(SYS_write, {fd, buffer, 1}), -EBADF);
}

}  // namespace
