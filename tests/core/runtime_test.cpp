#include <osvm/core/runtime.hpp>

#include <gtest/gtest.h>
#include <boost/asio/post.hpp>

#include <csignal>
#include <future>
#include <mutex>
#include <set>
#include <thread>

namespace osvm {
namespace {

TEST(runtime, runs_posted_work_on_its_own_thread) {
  runtime loop;
  std::promise<std::thread::id> ran;
  boost::asio::post(loop.get_executor(), [&] { ran.set_value(std::this_thread::get_id()); });
  EXPECT_NE(ran.get_future().get(), std::this_thread::get_id());
}

TEST(runtime, as_many_handlers_run_at_once_as_there_are_threads) {
  runtime loop({.threads = 3});
  std::promise<void> all_in;
  auto gate = all_in.get_future().share();
  std::mutex mutex;
  std::set<std::thread::id> ids;
  std::promise<void> done[3];
  for (auto& d : done) {
    boost::asio::post(loop.get_executor(), [&] {
      {
        std::lock_guard lock(mutex);
        ids.insert(std::this_thread::get_id());
        if (ids.size() == 3) all_in.set_value();
      }
      gate.wait();  // only ends when three different threads are here together
      d.set_value();
    });
  }
  for (auto& d : done) d.get_future().get();
  EXPECT_EQ(ids.size(), 3u);
}

TEST(runtime, loop_threads_block_signals_and_the_makers_mask_is_kept) {
  runtime loop;
  std::promise<bool> blocked;
  boost::asio::post(loop.get_executor(), [&] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked.set_value(sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1);
  });
  EXPECT_TRUE(blocked.get_future().get());
  sigset_t mine;
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  EXPECT_EQ(sigismember(&mine, SIGINT), 0);
}

TEST(runtime, nothing_runs_after_stop) {
  runtime loop;
  loop.stop();
  loop.stop();
  bool ran = false;
  boost::asio::post(loop.get_executor(), [&] { ran = true; });
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace osvm
