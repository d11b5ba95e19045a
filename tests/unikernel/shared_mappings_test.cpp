// Shared mappings of files with a host that takes part: the same memory, the same futexes, and a file that
// becomes shorter under the guest. Linked against the test variant, so that each attack has its control.
#include "unikernel/controls.hpp"
#include "unikernel/guest_fixture.hpp"

#include <osvm/core/mapping.hpp>
#include <osvm/core/unique_fd.hpp>

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <csignal>
#include <ctime>

namespace {

using namespace osvm;
using namespace osvm::test;

class shared_mappings : public guest_test {
 protected:
  void SetUp() override {
    guest_test::SetUp();
    if (IsSkipped()) return;
    folder_ = dir + "/data";
    std::filesystem::create_directory(folder_);
    file_.reset(::open((folder_ + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    ASSERT_TRUE(file_);
  }
  // The file with this many zeroed pages, and the host's own mapping of it.
  std::uint32_t* host_words(unsigned pages) {
    EXPECT_EQ(::ftruncate(file_.get(), 0), 0);  // what an earlier guest left goes
    EXPECT_EQ(::ftruncate(file_.get(), pages * 4096), 0);
    void* at = ::mmap(nullptr, pages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    if (at == MAP_FAILED) return nullptr;
    mapped_ = mapping(at, pages * 4096);
    return static_cast<std::uint32_t*>(at);
  }
  tweak mounted(bool writable = true, const tweak& more = {}) {
    return [this, writable, more](instance_options& o) {
      o.policy.mounts = {{folder_, "/data", writable}};
      if (more) more(o);
    };
  }
  // Waits while the word has this value: what another process does that shares the file. False: too long.
  static bool wait_while(std::uint32_t* word, std::uint32_t value) {
    const timespec patience{60, 0};
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) {
      if (::syscall(SYS_futex, word, FUTEX_WAIT, value, &patience, nullptr, 0) != 0 && errno == ETIMEDOUT)
        return false;
    }
    return true;
  }
  static void set(std::uint32_t* word, std::uint32_t value) {
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
    (void)::syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }
  // Runs `mode` while the host cuts the file off behind its first page.
  outcome cut_under(const std::string& mode, const tweak& change = {}) {
    std::uint32_t* words = host_words(2);
    auto guest = start("shared_maps", {mode, "/data/file"}, mounted(true, change));
    if (!guest) {
      ADD_FAILURE() << guest.error().to_string();
      return {};
    }
    EXPECT_TRUE(wait_while(words, 0));
    EXPECT_EQ(::ftruncate(file_.get(), 4096), 0);
    return finish(*guest, mode);
  }

  std::string folder_;
  unique_fd file_;
  mapping mapped_;
};

TEST_F(shared_mappings, are_the_hosts_memory_and_futexes) {
  constexpr unsigned rounds = 50;
  std::uint32_t* word = host_words(1);
  ASSERT_NE(word, nullptr);
  auto guest = start("shared_maps", {"pong", "/data/file", std::to_string(rounds)}, mounted());
  ASSERT_TRUE(guest) << guest.error().to_string();
  for (unsigned i = 0; i < rounds; ++i) {
    set(word, 2 * i + 1);
    ASSERT_TRUE(wait_while(word, 2 * i + 1)) << "round " << i;
  }
  finish(*guest, "pong").expect_exit(0).expect_output("last 100\n");
}

constexpr const char* calls_on_a_lost_page =
    "write -14\nfstat -14\nopen -14\nnanosleep -14\ngetrandom -14\nfutex -14\nsigaction -14\n";

TEST_F(shared_mappings, a_file_that_shrinks_is_efault_and_sigbus_for_the_guest_only) {
  cut_under("lost").expect_exit(0).expect_output(std::string(calls_on_a_lost_page) +
                                                 "signal 7 code 2\nfirst page 1\n");
  const auto o = cut_under("die").expect_output(calls_on_a_lost_page);
  EXPECT_EQ(o.report.shell_status(), 128 + SIGBUS) << o.describe();
}

// What guarded copies are for: an ordinary one in a system call's handler ends the embedder.
TEST_F(shared_mappings, a_file_that_shrinks_kills_the_host_without_guarded_copies) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        (void)cut_under("lost", [](instance_options& o) { o.controls.guard_copies = false; });
        std::_Exit(0);
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

TEST_F(shared_mappings, of_read_only_mounts_take_no_store) {
  (void)host_words(1);
  run("shared_maps", {"change", "/data/file"}, mounted(false)).expect_exit(3).expect_output("open -30\n");
}

TEST_F(shared_mappings, of_descriptors_without_write_access_take_no_store) {
  std::uint32_t* words = host_words(1);
  run("shared_maps", {"change", "/data/file"}, mounted())
      .expect_exit(0)
      .expect_output("mmap -13\nmprotect -13\nsignal 11 code 2\n");
  EXPECT_EQ(*words, 0U);
}

TEST_F(shared_mappings, count_as_written_bytes) {
  (void)host_words(256);
  const auto budget = [](instance_options& o) { o.budgets.written_bytes = 256 << 10; };
  const auto o = run("shared_maps", {"grab", "/data/file", "256"}, mounted(true, budget)).expect_exit(0);
  EXPECT_EQ(o.number("pages"), 64) << o.describe();
  const auto off = run("shared_maps", {"grab", "/data/file", "256"}, mounted(true, [&](instance_options& op) {
                         budget(op);
                         op.controls.write_budget = false;
                       }));
  EXPECT_EQ(off.number("pages"), 256) << off.describe();
}

TEST_F(shared_mappings, of_memory_files_count_as_memory) {
  const auto budget = [](instance_options& o) { o.budgets.memory_bytes = 32 << 20; };
  run("shared_maps", {"fill", "64"}, budget).expect_cause(exit_cause::memory_budget).expect_output("");
  run("shared_maps", {"fill", "8"}, budget).expect_exit(0).expect_output("filled\n");
  const auto o = run("shared_maps", {"hoard", "64"}, budget);
  EXPECT_LT(o.number("files").value_or(64), 33) << o.describe();
  const auto off = run("shared_maps", {"hoard", "64"}, [&](instance_options& op) {
    budget(op);
    op.controls.memory_budget = false;
  });
  EXPECT_EQ(off.number("files"), 64) << off.describe();
}

}  // namespace
