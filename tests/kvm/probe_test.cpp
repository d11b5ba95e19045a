// The start-up probe against the real /dev/kvm.
#include <osvm/kvm/floor.hpp>
#include <osvm/kvm/host_facts.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

namespace osvm::kvm {
namespace {

class probe_test : public ::testing::Test {
 protected:
  void SetUp() override {
    const int fd = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0) GTEST_SKIP() << "SKIPPED: /dev/kvm cannot be opened: " << std::strerror(errno);
    ::close(fd);
  }
  static std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  }
};

TEST_F(probe_test, says_how_system_calls_leave_the_guest) {
  const auto f = probe_host();
  ASSERT_TRUE(f) << f.error().to_string();
  if (f->stub == syscall_stub::supervisor) {
    EXPECT_TRUE(f->sysret_works);
  } else {
    // The user stub is only safe because a fetch of it at CPL 0 faults.
    EXPECT_TRUE(f->smep);
    EXPECT_TRUE(f->smap);
  }
  EXPECT_GT(f->exit_us, 0);
  EXPECT_GE(f->max_vcpus, 1U);
  EXPECT_GE(f->phys_bits, 36U);
  EXPECT_GT(f->cores, 0U);
  ASSERT_TRUE(f->system);
}

TEST_F(probe_test, agrees_with_itself) {
  const auto a = probe_host(), b = probe_host();
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->stub, b->stub);
  EXPECT_EQ(a->tsc_direct, b->tsc_direct);
  EXPECT_EQ(a->smep, b->smep);
}

// The embedder's signals interrupt KVM_RUN; they must not look like something that KVM did.
TEST_F(probe_test, signals_of_the_embedder_change_nothing) {
  const auto quiet = probe_host();
  ASSERT_TRUE(quiet) << quiet.error().to_string();
  struct sigaction ignore_it {};
  ignore_it.sa_handler = [](int) {};
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &ignore_it, &before), 0);
  std::atomic<bool> over{false};
  std::thread noisy([&over, prober = ::pthread_self()] {
    while (!over) {
      ::pthread_kill(prober, SIGUSR1);
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
  });
  for (int i = 0; i < 50; ++i) {
    const auto f = probe_host();
    EXPECT_TRUE(f) << f.error().to_string();
    const auto floor = measure_floor(quiet->stub);
    EXPECT_TRUE(floor) << floor.error().to_string();
    if (f) {
      EXPECT_EQ(f->stub, quiet->stub);
    }
  }
  over = true;
  noisy.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(probe_test, leaves_nothing_open) {
  ASSERT_TRUE(probe_host());
  const auto before = open_descriptors();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(probe_host());
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(probe_test, floor_measures_a_whole_vm) {
  const auto f = probe_host();
  ASSERT_TRUE(f);
  const auto s = measure_floor(f->stub);
  ASSERT_TRUE(s) << s.error().to_string();
  EXPECT_GT(s->first_exit_us, s->exit_us);
  EXPECT_GT(s->close_us, 0);
}

}  // namespace
}  // namespace osvm::kvm
