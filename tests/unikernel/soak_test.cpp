// Ten thousand lives, each ended at a random moment of its own: what a long-running embedder would lose, if
// anything.
#include "unikernel/guest_fixture.hpp"

#include <fstream>
#include <random>
#include <thread>

namespace {

using namespace osvm;
using namespace osvm::test;

constexpr int lives = 10'000;

class soak : public guest_test {
 protected:
  struct belongings {
    std::size_t descriptors = 0, threads = 0, mappings = 0, files = 0;
    long resident_kib = 0;
  };
  static std::size_t entries(const std::string& folder) {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(folder)) ++n;
    return n;
  }
  belongings now() const {
    belongings b;
    b.descriptors = entries("/proc/self/fd");
    b.threads = entries("/proc/self/task");
    b.files = entries(dir);
    std::ifstream maps("/proc/self/maps"), status("/proc/self/status");
    for (std::string line; std::getline(maps, line);) ++b.mappings;
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) b.resident_kib = std::strtol(line.c_str() + 6, nullptr, 10);
    }
    return b;
  }
  void one_life() {
    static constexpr const char* stuck[] = {"spin", "syscall_loop", "futex", "epoll", "everything"};
    const unsigned kind = random_() % 6;
    const auto moment = std::chrono::microseconds(random_() % 6000);
    auto guest =
        kind < 5 ? start("stubborn", {stuck[kind]}) : start("http_server", {"8080", "v1"}, [](auto& o) {
          o.policy.listen = {{transport::tcp, 8080}};
        });
    ASSERT_TRUE(guest) << guest.error().to_string();
    (void)guest->wait(moment);
    if (random_() % 2 == 0) guest->kill();  // else destroying the handle ends it
  }

 private:
  std::mt19937 random_{std::random_device{}()};
};

TEST_F(soak, ten_thousand_random_ends_leave_nothing) {
  for (int i = 0; i < 200 && !HasFailure(); ++i) one_life();
  const belongings before = now();
  for (int i = 0; i < lives && !HasFailure(); ++i) one_life();
  belongings after = now();
  // The kernel wakes who joins a thread a moment before the thread leaves /proc.
  for (int i = 0; i < 500 && after.threads != before.threads; ++i) {
    std::this_thread::sleep_for(10ms);
    after = now();
  }
  EXPECT_EQ(after.descriptors, before.descriptors);
  EXPECT_EQ(after.threads, before.threads);
  EXPECT_EQ(after.files, before.files);
  EXPECT_LE(after.mappings, before.mappings + 32);
  EXPECT_LE(after.resident_kib, before.resident_kib + 16'384);
  RecordProperty("resident_kib_before", std::to_string(before.resident_kib));
  RecordProperty("resident_kib_after", std::to_string(after.resident_kib));
}

}  // namespace
