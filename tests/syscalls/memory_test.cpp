// mmap and its relatives by number: file mappings, reservations, holes, sizes that wrap, and what may be
// executed.
#include "support/guest_without_vm.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <linux/mman.h>

namespace osvm::unikernel::testing {
namespace {

constexpr std::uint64_t page = 4096, none = ~std::uint64_t{0};
class mapping : public ::testing::Test {
 protected:
  mapping() {
    std::string text(2 * page + 100, 'a');
    text.replace(page, 3, "mid");
    text.replace(2 * page, 3, "end");
    folder.write("file", text);
  }
  policy granted(bool writable = false) const {
    policy p;
    p.mounts.push_back({folder.path(), "/data", writable});
    return p;
  }
  static std::int64_t map(guest& g, std::uint64_t at, std::uint64_t size, int protection, int flags,
                          std::int64_t fd = -1, std::uint64_t offset = 0) {
    return g.call(SYS_mmap, {at, size, static_cast<std::uint64_t>(protection),
                             static_cast<std::uint64_t>(flags), static_cast<std::uint64_t>(fd), offset});
  }
  static std::int64_t map_file(guest& g, int protection = PROT_READ, int open_flags = O_RDONLY,
                               int flags = MAP_PRIVATE) {
    return map(g, 0, 3 * page, protection, flags, g.open("/data/file", open_flags));
  }
  // The first bytes at an address, or "fault".
  static std::string peek(guest& g, std::uint64_t at, std::size_t n = 3) {
    std::string s(n, '\0');
    return memory_access(g.memory).read(at, s.data(), n) ? s : "fault";
  }
  static std::uint64_t used(guest& g) { return g.memory.usage().bytes; }
  temp_folder folder;
};

TEST_F(mapping, of_a_file_is_read_when_it_is_touched) {
  guest g(granted());
  const std::int64_t fd = g.open("/data/file", O_RDONLY);
  const std::uint64_t before = used(g);
  const auto at = static_cast<std::uint64_t>(map(g, 0, 5 * page, PROT_READ, MAP_PRIVATE, fd, page));
  EXPECT_EQ(g.call(3, {static_cast<std::uint64_t>(fd)}), 0) << "the mapping outlives the descriptor";
  EXPECT_EQ(used(g), before) << "nothing was touched";
  EXPECT_EQ(peek(g, at), "mid");
  EXPECT_EQ(peek(g, at + page), "end");
  EXPECT_EQ(peek(g, at + page + 100), std::string(3, '\0')) << "the rest of the last page is zero";
  EXPECT_EQ(peek(g, at + 2 * page), "fault") << "behind the file's end";
  EXPECT_EQ(used(g), before + 2 * page);
}

TEST_F(mapping, private_writes_stay_in_the_guest) {
  guest g(granted());
  const auto at = static_cast<std::uint64_t>(map_file(g, PROT_READ | PROT_WRITE));
  ASSERT_TRUE(memory_access(g.memory).write(at + page, "own", 3));
  EXPECT_EQ(peek(g, at + page), "own");
  EXPECT_EQ(g.slurp("/data/file").substr(page, 3), "mid");
  EXPECT_EQ(g.call(SYS_madvise, {at + page, page, MADV_DONTNEED}), 0);
  EXPECT_EQ(peek(g, at + page), "mid") << "dropped pages come back from the file";
}

TEST_F(mapping, pieces_of_a_file_over_a_reservation) {
  guest g(granted());
  const std::int64_t fd = g.open("/data/file", O_RDONLY);
  const auto at = static_cast<std::uint64_t>(map(g, 0, 3 * page, PROT_READ, MAP_PRIVATE, fd));
  EXPECT_EQ(map(g, at + page, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 2 * page),
            static_cast<std::int64_t>(at + page));
  EXPECT_EQ(peek(g, at), "aaa");
  EXPECT_EQ(peek(g, at + page), "end");
  EXPECT_EQ(peek(g, at + 2 * page), "end") << "what lies behind keeps its own offset";
  EXPECT_EQ(g.call(SYS_munmap, {at + page, page}), 0);
  EXPECT_EQ(peek(g, at + page), "fault");
  EXPECT_EQ(peek(g, at + 2 * page), "end");
  EXPECT_EQ(map(g, at + 2 * page, page, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd), -EEXIST);
}

TEST_F(mapping, grows_and_moves_with_its_file) {
  guest g(granted());
  const std::int64_t fd = g.open("/data/file", O_RDONLY);
  const auto at = static_cast<std::uint64_t>(map(g, 0, page, PROT_READ, MAP_PRIVATE, fd, page));
  EXPECT_EQ(peek(g, at), "mid");
  const auto moved = g.call(SYS_mremap, {at, page, 2 * page, MREMAP_MAYMOVE, 0});
  ASSERT_GT(moved, 0);
  EXPECT_EQ(peek(g, static_cast<std::uint64_t>(moved)), "mid");
  EXPECT_EQ(peek(g, static_cast<std::uint64_t>(moved) + page), "end");
}

TEST_F(mapping, what_a_descriptor_may_not_do_a_mapping_may_not_either) {
  guest g(granted(true));
  EXPECT_EQ(map_file(g, PROT_READ, O_WRONLY), -EACCES);
  EXPECT_EQ(map_file(g, PROT_READ | PROT_WRITE, O_RDONLY, MAP_SHARED), -EACCES);
  EXPECT_EQ(map(g, 0, page, PROT_READ, MAP_PRIVATE, 99), -EBADF);
  EXPECT_EQ(map(g, 0, page, PROT_READ, MAP_PRIVATE, g.open("/data", O_RDONLY)), -ENODEV);
  EXPECT_EQ(map(g, 0, page, PROT_READ, MAP_PRIVATE, g.open("/data/file", O_RDONLY), 100), -EINVAL);
  EXPECT_EQ(map(g, 0, page, PROT_READ, MAP_PRIVATE, g.open("/data/file", O_RDONLY), none & ~(page - 1)),
            -EOVERFLOW);
  EXPECT_EQ(map(g, 0, 0, PROT_READ, MAP_PRIVATE, g.open("/data/file", O_RDONLY)), -EINVAL);
}

// Code of granted files runs without `jit`; what the guest could have written does not.
TEST_F(mapping, only_files_that_the_guest_cannot_change_may_be_executed) {
  guest g(granted());
  const auto at = map_file(g, PROT_READ | PROT_EXEC);
  ASSERT_GT(at, 0);
  const auto later = map_file(g);
  const std::uint64_t rx = PROT_READ | PROT_EXEC, rw = PROT_READ | PROT_WRITE;
  EXPECT_EQ(g.call(SYS_mprotect, {static_cast<std::uint64_t>(later), page, rx}), 0);
  EXPECT_EQ(g.call(SYS_mprotect, {static_cast<std::uint64_t>(later), page, rw}), 0);
  EXPECT_EQ(g.call(SYS_mprotect, {static_cast<std::uint64_t>(later), page, rx}), -EACCES)
      << "it was writable";
  EXPECT_EQ(map_file(g, PROT_READ | PROT_WRITE | PROT_EXEC), -EACCES);
  EXPECT_EQ(g.denied(), 2u);

  guest writer(granted(true));
  EXPECT_EQ(map_file(writer, PROT_READ | PROT_EXEC), -EACCES) << "below a writable mount";
  writer.state.rules.write_xor_execute = false;
  EXPECT_GT(map_file(writer, PROT_READ | PROT_EXEC), 0) << "control: without the rule it is executable";
}

TEST_F(mapping, reservations_are_free) {
  guest g;
  const std::uint64_t before = used(g), size = std::uint64_t{64} << 30;
  const std::int64_t at = map(g, 0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  ASSERT_GT(at, 0);
  EXPECT_EQ(used(g), before);
  const auto va = static_cast<std::uint64_t>(at);
  EXPECT_EQ(peek(g, va + size / 2), "fault");
  EXPECT_EQ(g.call(SYS_mprotect, {va + size / 2, page, PROT_READ | PROT_WRITE}), 0);
  EXPECT_EQ(peek(g, va + size / 2), std::string(3, '\0'));
  EXPECT_EQ(peek(g, va + size / 2 + page), "fault");
  EXPECT_EQ(map(g, va + page, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED),
            at + 4096);
  EXPECT_EQ(g.call(SYS_munmap, {va, size}), 0);
  EXPECT_EQ(used(g), before);
  EXPECT_EQ(map(g, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS), -ENOMEM)
      << "more than can ever be filled";
  EXPECT_GT(map(g, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE), 0);
}

// mprotect() and madvise() with a size near 2^64 once rounded up to zero and succeeded.
TEST_F(mapping, sizes_that_wrap_are_errors) {
  guest g;
  for (const std::uint64_t size : {none, none - 1, none - page, none - guest::base, std::uint64_t{1} << 63}) {
    EXPECT_EQ(g.call(SYS_mprotect, {guest::base, size, PROT_READ}), -ENOMEM) << size;
    EXPECT_LT(g.call(SYS_madvise, {guest::base, size, MADV_DONTNEED}), 0) << size;
    EXPECT_EQ(g.call(SYS_munmap, {guest::base, size}), -EINVAL) << size;
    EXPECT_EQ(g.call(SYS_mremap, {guest::base, size, page, MREMAP_MAYMOVE, 0}), -EINVAL) << size;
    EXPECT_LT(g.call(SYS_mremap, {guest::base, page, size, MREMAP_MAYMOVE, 0}), 0) << size;
    EXPECT_LT(map(g, 0, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS), 0) << size;
  }
  ASSERT_TRUE(memory_access(g.memory).write(guest::base, "abc", 3));
  EXPECT_EQ(peek(g, guest::base), "abc");
}

TEST_F(mapping, advice_is_checked) {
  guest g(granted());
  const auto file = static_cast<std::uint64_t>(map_file(g));
  EXPECT_EQ(g.call(SYS_madvise, {guest::base, page, 9999}), -EINVAL);
  EXPECT_EQ(g.call(SYS_madvise, {guest::base + 1, page, MADV_NORMAL}), -EINVAL);
  EXPECT_EQ(g.call(SYS_madvise, {guest::base, 0, MADV_DONTNEED}), 0);
  EXPECT_EQ(g.call(SYS_madvise, {guest::base, page, MADV_WIPEONFORK}), 0);
  EXPECT_EQ(g.call(SYS_madvise, {guest::base, page, MADV_FREE}), 0);
  EXPECT_EQ(g.call(SYS_madvise, {file, page, MADV_FREE}), -EINVAL) << "not anonymous";
  EXPECT_EQ(g.call(SYS_madvise, {file, page, MADV_WIPEONFORK}), -EINVAL);
  EXPECT_EQ(g.call(SYS_madvise, {file, page, MADV_WILLNEED}), 0);
  EXPECT_EQ(g.call(SYS_madvise, {file, 3 * page, MADV_POPULATE_READ}), 0);
  EXPECT_EQ(g.call(SYS_madvise, {file, page, MADV_POPULATE_WRITE}), -EINVAL) << "not writable";
  EXPECT_EQ(g.call(SYS_madvise, {guest::unmapped, page, MADV_DONTNEED}), -ENOMEM);
}

TEST_F(mapping, advice_over_a_hole_serves_the_rest) {
  guest g;
  const auto at =
      static_cast<std::uint64_t>(map(g, 0, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
  ASSERT_TRUE(memory_access(g.memory).write(at + 2 * page, "abc", 3));
  ASSERT_EQ(g.call(SYS_munmap, {at + page, page}), 0);
  EXPECT_EQ(g.call(SYS_madvise, {at, 3 * page, MADV_DONTNEED}), -ENOMEM);
  EXPECT_EQ(peek(g, at + 2 * page), std::string(3, '\0'));
}

TEST_F(mapping, maps_name_files_and_offsets) {
  guest g(granted());
  (void)map(g, 0, page, PROT_READ, MAP_PRIVATE, g.open("/data/file", O_RDONLY), page);
  const std::string maps = g.slurp("/proc/self/maps");
  const auto line = maps.find("/data/file");
  ASSERT_NE(line, std::string::npos) << maps;
  const std::string text = maps.substr(maps.rfind('\n', line) + 1, line - maps.rfind('\n', line) - 1);
  EXPECT_NE(text.find(" r--p 00001000 "), std::string::npos) << text;
  EXPECT_EQ(text.size(), 73u) << "names stand in one column, as in Linux";
}

}  // namespace
}  // namespace osvm::unikernel::testing
