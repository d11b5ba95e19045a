// Calls into a guest, and where it waits for work.
#include "unikernel/template_fixture.hpp"

#include <future>
#include <thread>

namespace {

using namespace osvm;
using namespace osvm::test;
using unikernel::call_options;

class guest_calls : public template_test {
 protected:
  static constexpr call_options patient{.timeout = patience};
  result<instance> start_called(const std::string& how = "1") { return start("called", {how}); }
};

TEST_F(guest_calls, functions_answer_with_bytes_values_and_a_status) {
  auto guest = start_called();
  ASSERT_TRUE(guest) << guest.error().to_string();
  const std::int32_t numbers[2] = {40, 2};
  const auto sum = guest->call("add", unikernel::as_request(numbers), patient);
  ASSERT_TRUE(sum) << sum.error().to_string();
  EXPECT_EQ(sum->status, 0);
  EXPECT_EQ(*unikernel::as_value<std::int32_t>(*sum), 42);
  EXPECT_FALSE(unikernel::as_value<std::int64_t>(*sum));
  EXPECT_EQ(guest->call("add", "short", patient)->status, -EINVAL);
  EXPECT_EQ(guest->call("nothing", "", patient)->status, -ENOSYS);
  EXPECT_EQ(guest->call("empty", "", patient)->data, "");
  for (const std::size_t size : {1, 15, 4096, 1 << 20, 16 << 20}) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7);
    const auto back = guest->call("echo", bytes, patient);
    ASSERT_TRUE(back) << back.error().to_string();
    EXPECT_TRUE(back->status == 0 && back->data == bytes) << size;
  }
}

TEST_F(guest_calls, several_threads_serve_several_callers) {
  auto guest = start_called("4");
  ASSERT_TRUE(guest);
  std::vector<std::future<std::set<long>>> all;
  for (int caller = 0; caller < 8; ++caller) {
    all.push_back(std::async(std::launch::async, [&] {
      std::set<long> seen;
      for (int i = 0; i < 50; ++i) {
        const auto answer = guest->call("count", "", patient);
        if (answer) seen.insert(*unikernel::as_value<long>(*answer));
      }
      return seen;
    }));
  }
  std::set<long> seen;
  for (auto& one : all) seen.merge(one.get());
  EXPECT_EQ(seen.size(), 400u) << "each call was executed once";
}

TEST_F(guest_calls, what_is_out_of_bounds_is_refused_and_what_takes_too_long_is_given_up) {
  auto guest = start_called("2");
  ASSERT_TRUE(guest);
  EXPECT_EQ(guest->call("", "", patient).error().code, make_error_code(osvm::errc::invalid_argument));
  EXPECT_EQ(guest->call(std::string(300, 'n'), "", patient).error().code,
            make_error_code(osvm::errc::invalid_argument));
  EXPECT_EQ(guest->call("echo", std::string((16 << 20) + 1, 'x'), patient).error().code,
            make_error_code(osvm::errc::limit_exceeded));
  EXPECT_EQ(guest->call("nap", "", {.timeout = std::chrono::milliseconds(5)}).error().code,
            make_error_code(osvm::errc::timed_out));
  EXPECT_EQ(
      guest->call("spin", "", {.timeout = patience, .cpu_time = std::chrono::milliseconds(20)}).error().code,
      make_error_code(osvm::errc::limit_exceeded));
  // One thread spins; the late answer of the nap is nobody's.
  EXPECT_EQ(guest->call("empty", "", patient)->status, 0);
  EXPECT_EQ(*unikernel::as_value<long>(*guest->call("count", "", patient)), 1);
}

TEST_F(guest_calls, callers_hear_of_the_end) {
  auto guest = start_called();
  ASSERT_TRUE(guest);
  EXPECT_EQ(guest->call("leave", "", patient).error().code, make_error_code(osvm::errc::closed));
  finish(*guest, "called").expect_exit(7);
  EXPECT_EQ(guest->call("empty", "", patient).error().code, make_error_code(osvm::errc::closed));
  auto killed = start_called();
  ASSERT_TRUE(killed);
  auto waiting = std::async(std::launch::async, [&] { return killed->call("spin", "", patient); });
  killed->kill();
  EXPECT_EQ(waiting.get().error().code, make_error_code(osvm::errc::closed));
}

TEST_F(guest_calls, too_many_calls_that_wait_are_refused) {
  auto guest = start_called("idle");  // never reads one
  ASSERT_TRUE(guest);
  std::vector<std::future<bool>> all;
  for (int i = 0; i < 300; ++i) {
    all.push_back(std::async(std::launch::async, [&] {
      const auto r = guest->call("empty", "", {.timeout = std::chrono::seconds(2)});
      return !r && r.error().code == make_error_code(osvm::errc::limit_exceeded);
    }));
  }
  int refused = 0;
  for (auto& one : all) refused += one.get();
  EXPECT_GE(refused, 1);
  EXPECT_LE(refused, 44 + 256);
}

TEST_F(guest_calls, the_device_bears_what_a_guest_may_write) {
  auto guest = start_called("odd");
  ASSERT_TRUE(guest);
  ASSERT_TRUE(guest->wait_ready(patience));
  const auto answer = guest->call("anything", "some bytes", patient);
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->status, 42);
  finish(*guest, "called odd").expect_exit(0);
}

TEST_F(guest_calls, a_guest_is_ready_when_it_waits_for_work) {
  auto called = start_called();
  ASSERT_TRUE(called);
  EXPECT_TRUE(called->wait_ready(patience));
  EXPECT_TRUE(called->wait_ready(patience)) << "still";
  auto server = start_warm();
  ASSERT_TRUE(server);
  EXPECT_TRUE(server->wait_ready(patience));
  auto busy = start_called("idle");
  ASSERT_TRUE(busy);
  EXPECT_EQ(busy->wait_ready(std::chrono::milliseconds(20)).error().code,
            make_error_code(osvm::errc::timed_out));
  busy->kill();
  EXPECT_EQ(busy->wait_ready(patience).error().code, make_error_code(osvm::errc::closed));
}

TEST_F(guest_calls, clones_of_a_ready_guest_are_called_apart) {
  auto guest = start_called("2");
  ASSERT_TRUE(guest);
  ASSERT_TRUE(guest->wait_ready(patience));
  EXPECT_EQ(*unikernel::as_value<long>(*guest->call("count", "", patient)), 1);
  auto saved = guest->snapshot(patience);
  ASSERT_TRUE(saved) << saved.error().to_string();
  auto a = spawn(*saved, "a"), b = spawn(*saved, "b");
  ASSERT_TRUE(a) << a.error().to_string();
  ASSERT_TRUE(b);
  EXPECT_EQ(*unikernel::as_value<long>(*a->call("count", "", patient)), 2);
  EXPECT_EQ(*unikernel::as_value<long>(*a->call("count", "", patient)), 3);
  EXPECT_EQ(*unikernel::as_value<long>(*b->call("count", "", patient)), 2);
  EXPECT_EQ(*unikernel::as_value<long>(*guest->call("count", "", patient)), 2);
}

TEST_F(guest_calls, a_reset_gives_callers_the_template_again_and_ends_what_was_in_the_works) {
  auto guest = start_called("2");
  ASSERT_TRUE(guest);
  ASSERT_TRUE(guest->wait_ready(patience));
  EXPECT_EQ(*unikernel::as_value<long>(*guest->call("count", "", patient)), 1);
  auto saved = guest->snapshot(patience);
  ASSERT_TRUE(saved) << saved.error().to_string();
  auto clone = spawn(*saved);
  ASSERT_TRUE(clone) << clone.error().to_string();
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(*unikernel::as_value<long>(*clone->call("count", "", patient)), 2);
    EXPECT_EQ(*unikernel::as_value<long>(*clone->call("count", "", patient)), 3);
    auto spinning = std::async(std::launch::async, [&] { return clone->call("spin", "", patient); });
    if (round % 2 != 0) EXPECT_EQ(clone->call("echo", "x", patient)->data, "x");
    while (clone->call("empty", "", {.timeout = std::chrono::milliseconds(1)}) && round % 4 == 0) {
    }
    const auto done = clone->reset(patience);
    ASSERT_TRUE(done) << done.error().to_string();
    // A call that the guest had not taken yet is taken by the guest as it is now.
    if (spinning.wait_for(std::chrono::milliseconds(200)) == std::future_status::ready) {
      EXPECT_EQ(spinning.get().error().code, make_error_code(osvm::errc::closed));
      continue;
    }
    ASSERT_TRUE(clone->reset(patience));
    EXPECT_EQ(spinning.get().error().code, make_error_code(osvm::errc::closed));
  }
}

}  // namespace
