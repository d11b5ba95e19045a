// Templates: a warm guest is saved, and instances go on where it stood, each with everything of its own.
#include "unikernel/template_fixture.hpp"

#include <csignal>
#include <future>
#include <set>
#include <thread>

namespace {

using namespace osvm;
using namespace osvm::test;

class guest_templates : public template_test {};

TEST_F(guest_templates, a_clone_goes_on_where_the_template_stood_and_shares_nothing_that_changes) {
  auto first = start_warm();
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ(ask(*first, "count"), "1");
  EXPECT_EQ(ask(*first, "worker"), "1");
  EXPECT_EQ(ask(*first, "signal"), "1");
  auto saved = first->snapshot(patience);
  ASSERT_TRUE(saved) << saved.error().to_string();
  EXPECT_EQ(saved->info().threads, 4u);
  EXPECT_GE(saved->info().memory_bytes, 3u << 20);

  auto a = spawn(*saved, "a"), b = spawn(*saved, "b");
  ASSERT_TRUE(a) << a.error().to_string();
  ASSERT_TRUE(b) << b.error().to_string();
  std::set<std::string> random;
  for (instance* guest : {&*first, &*a, &*b}) {
    EXPECT_EQ(ask(*guest, "count"), "2");
    EXPECT_EQ(ask(*guest, "count"), "3");
    EXPECT_EQ(ask(*guest, "worker"), "2");
    EXPECT_EQ(ask(*guest, "large"), "768");
    EXPECT_EQ(ask(*guest, "large"), "1536");
    EXPECT_EQ(ask(*guest, "file"), "4567");
    EXPECT_EQ(ask(*guest, "file"), "89ab");
    EXPECT_EQ(ask(*guest, "pipe"), "left in");
    EXPECT_EQ(ask(*guest, "pipe-again"), "again");
    EXPECT_EQ(ask(*guest, "pair"), "waiting back");
    EXPECT_EQ(ask(*guest, "event"), "41");
    EXPECT_EQ(ask(*guest, "event"), "0");
    EXPECT_EQ(ask(*guest, "timer"), "1");
    EXPECT_EQ(ask(*guest, "signal"), "2");
    EXPECT_EQ(ask(*guest, "limit"), "33");
    EXPECT_EQ(ask(*guest, "interrupted"), "0") << "no call of the guest has seen the pause";
    random.insert(ask(*guest, "random"));
    random.insert(ask(*guest, "urandom"));
  }
  EXPECT_EQ(random.size(), 6u) << "each source gave each guest something else";
  EXPECT_EQ(ask(*first, "wiped"), "77");
  EXPECT_EQ(ask(*a, "wiped"), "0");
  EXPECT_EQ(ask(*b, "wiped"), "0");
}

TEST_F(guest_templates, a_reset_clone_is_as_it_was_spawned) {
  auto first = start_warm();
  ASSERT_TRUE(first);
  EXPECT_EQ(ask(*first, "count"), "1");
  auto saved = first->snapshot(patience);
  ASSERT_TRUE(saved) << saved.error().to_string();
  EXPECT_EQ(first->reset(patience).error().code,
            unikernel::make_error_code(unikernel::errc::cannot_snapshot));
  auto clone = spawn(*saved);
  ASSERT_TRUE(clone) << clone.error().to_string();
  std::set<std::string> random;
  std::optional<std::uint64_t> memory;
  for (int round = 0; round < 10; ++round) {
    auto where = clone->wait_listening(http, patience);
    ASSERT_TRUE(where);
    conversation held(*where);
    EXPECT_EQ(held.ask("count"), "2");
    EXPECT_EQ(ask(*clone, "count"), "3");
    EXPECT_EQ(ask(*clone, "worker"), "1");
    EXPECT_EQ(ask(*clone, "worker"), "2");
    EXPECT_EQ(ask(*clone, "large"), "768");
    EXPECT_EQ(ask(*clone, "file"), "4567");
    EXPECT_EQ(ask(*clone, "pipe"), "left in");
    EXPECT_EQ(ask(*clone, "pair"), "waiting back");
    EXPECT_EQ(ask(*clone, "event"), "41");
    EXPECT_EQ(ask(*clone, "signal"), "1");
    EXPECT_EQ(ask(*clone, "wiped"), "0");
    random.insert(ask(*clone, "random"));
    const auto done = clone->reset(patience);
    ASSERT_TRUE(done) << done.error().to_string();
    const std::string after = held.ask("count");
    EXPECT_TRUE(after.empty() || after == "gone") << after << ": its connection was closed";
    const auto now = clone->stats().memory_bytes;
    EXPECT_EQ(now, memory.value_or(now)) << "nothing stays behind";
    memory = now;
  }
  EXPECT_EQ(random.size(), 10u);
  EXPECT_EQ(ask(*first, "count"), "2");
}

TEST_F(guest_templates, what_stands_in_the_way_of_a_reset_is_named_and_the_clone_goes_on) {
  auto first = start_warm();
  ASSERT_TRUE(first);
  EXPECT_EQ(ask(*first, "count"), "1");
  auto saved = first->snapshot(patience);
  ASSERT_TRUE(saved);
  auto clone = spawn(*saved);
  ASSERT_TRUE(clone);
  EXPECT_EQ(ask(*clone, "semaphore"), "made");
  const auto refused = clone->reset(patience);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().to_string().find("System V"), std::string::npos) << refused.error().to_string();
  EXPECT_EQ(ask(*clone, "count"), "2");
}

TEST_F(guest_templates, threads_that_came_and_went_are_as_they_were) {
  auto guest = start("threads", {"4", "1000000"});
  ASSERT_TRUE(guest);
  auto saved = guest->snapshot(patience);
  ASSERT_TRUE(saved) << saved.error().to_string();
  auto clone = spawn(*saved);
  ASSERT_TRUE(clone);
  int resets = 0;
  for (int round = 0; round < 20; ++round) {
    const auto done = clone->reset(patience);
    if (!done) break;  // it has ended
    ++resets;
    std::this_thread::sleep_for(std::chrono::microseconds(round * 500));  // another moment in each round
  }
  EXPECT_GT(resets, 0);
  finish(*clone, "clone of threads").expect_exit(0);
}

TEST_F(guest_templates, a_template_outlives_its_instance_and_its_clones) {
  std::optional<instance_template> kept;
  {
    auto first = start_warm();
    ASSERT_TRUE(first);
    EXPECT_EQ(ask(*first, "count"), "1");
    auto saved = first->snapshot(patience);
    ASSERT_TRUE(saved) << saved.error().to_string();
    kept = *saved;
  }
  for (int round = 0; round < 3; ++round) {
    auto clone = spawn(*kept);
    ASSERT_TRUE(clone) << clone.error().to_string();
    EXPECT_EQ(ask(*clone, "count"), "2");
    (void)ask(*clone, "exit");
    finish(*clone, "clone").expect_exit(3);
  }
}

TEST_F(guest_templates, a_clone_of_a_clone_has_what_the_clone_had) {
  auto first = start_warm();
  ASSERT_TRUE(first);
  auto saved = first->snapshot(patience);
  ASSERT_TRUE(saved) << saved.error().to_string();
  auto child = spawn(*saved, "child");
  ASSERT_TRUE(child) << child.error().to_string();
  EXPECT_EQ(ask(*child, "count"), "1");
  EXPECT_EQ(ask(*child, "large"), "768");
  auto again = child->snapshot(patience);
  ASSERT_TRUE(again) << again.error().to_string();
  auto grandchild = spawn(*again, "grandchild");
  ASSERT_TRUE(grandchild) << grandchild.error().to_string();
  EXPECT_EQ(ask(*grandchild, "count"), "2");
  EXPECT_EQ(ask(*grandchild, "large"), "1536");
  EXPECT_EQ(ask(*grandchild, "worker"), "1");
  EXPECT_EQ(ask(*first, "count"), "1");
}

TEST_F(guest_templates, a_connection_from_before_is_reset_in_the_clone_and_lives_on_in_the_template) {
  auto first = start_warm();
  ASSERT_TRUE(first);
  auto where = first->wait_listening(http, patience);
  ASSERT_TRUE(where);
  conversation held(*where);
  EXPECT_EQ(held.ask("lost"), "none");
  auto saved = first->snapshot(patience);
  ASSERT_TRUE(saved) << saved.error().to_string();
  auto clone = spawn(*saved);
  ASSERT_TRUE(clone) << clone.error().to_string();
  EXPECT_EQ(ask(*clone, "lost"), "ECONNRESET");
  EXPECT_EQ(held.ask("lost"), "none");
  EXPECT_EQ(held.ask("count"), "1");
  EXPECT_EQ(ask(*clone, "count"), "1");
}

TEST_F(guest_templates, threads_that_compute_stand_still_too) {
  auto guest = start("threads", {"4", "1000000"});
  ASSERT_TRUE(guest);
  int taken = 0;
  for (int round = 0; round < 20; ++round) {
    auto saved = guest->snapshot(patience);
    if (!saved) break;  // it has ended
    ++taken;
    auto clone = spawn(*saved);
    ASSERT_TRUE(clone) << clone.error().to_string();
    finish(*clone, "clone of threads").expect_exit(0);
  }
  EXPECT_GT(taken, 0);
  finish(*guest, "threads").expect_exit(0);
}

TEST_F(guest_templates, what_a_template_cannot_hold_is_named_and_the_guest_goes_on) {
  const std::pair<const char*, const char*> cases[] = {
      {"alarm", "timer"},        {"memory file", "memory file"},
      {"semaphore", "System V"}, {"shared memory", "MAP_SHARED"},
      {"watch", "inotify"},      {"child", "several processes"}};
  for (const auto& [command, named] : cases) {
    auto guest = start_warm();
    ASSERT_TRUE(guest);
    EXPECT_TRUE(guest->wait_listening(http, patience));
    const std::string answer = ask(*guest, command);
    EXPECT_TRUE(answer == "made" || answer == "armed") << command << ": " << answer;
    const auto refused = guest->snapshot(patience);
    ASSERT_FALSE(refused) << command;
    EXPECT_EQ(refused.error().code, unikernel::make_error_code(unikernel::errc::cannot_snapshot)) << command;
    EXPECT_NE(refused.error().to_string().find(named), std::string::npos) << refused.error().to_string();
    EXPECT_EQ(ask(*guest, "count"), "1") << command;
    EXPECT_EQ(ask(*guest, "worker"), "1") << command;
  }
}

TEST_F(guest_templates, exitless_calls_are_refused_by_name) {
  auto guest = start_warm([](instance_options& o) { o.exitless = true; });
  ASSERT_TRUE(guest);
  EXPECT_EQ(ask(*guest, "count"), "1");
  const auto refused = guest->snapshot(patience);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, unikernel::make_error_code(unikernel::errc::cannot_snapshot));
  EXPECT_NE(refused.error().to_string().find("exitless"), std::string::npos) << refused.error().to_string();
  EXPECT_EQ(ask(*guest, "count"), "2");
}

TEST_F(guest_templates, a_file_that_is_another_one_now_is_refused) {
  auto guest = start_warm();
  ASSERT_TRUE(guest);
  EXPECT_EQ(ask(*guest, "count"), "1");
  auto saved = guest->snapshot(patience);
  ASSERT_TRUE(saved) << saved.error().to_string();
  std::filesystem::rename(dir + "/file", dir + "/old");
  const auto missing = spawn(*saved);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().to_string().find("/data/file"), std::string::npos) << missing.error().to_string();
  std::ofstream(dir + "/file") << "another";
  const auto other = spawn(*saved);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().to_string().find("another file"), std::string::npos) << other.error().to_string();
}

TEST_F(guest_templates, snapshots_at_once_are_made_one_after_another) {
  auto guest = start_warm();
  ASSERT_TRUE(guest);
  EXPECT_EQ(ask(*guest, "count"), "1");
  std::vector<std::future<result<instance_template>>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(std::async(std::launch::async, [&] { return guest->snapshot(patience); }));
  for (auto& one : all) {
    auto saved = one.get();
    ASSERT_TRUE(saved) << saved.error().to_string();
    auto clone = spawn(*saved);
    ASSERT_TRUE(clone) << clone.error().to_string();
    EXPECT_EQ(ask(*clone, "count"), "2");
    EXPECT_EQ(ask(*clone, "worker"), "1");
  }
  EXPECT_EQ(ask(*guest, "worker"), "1");
}

TEST_F(guest_templates, a_guest_that_is_killed_meanwhile_gives_one_or_none_and_ends) {
  for (int round = 0; round < 20; ++round) {
    auto guest = start_warm({}, "16");
    ASSERT_TRUE(guest);
    EXPECT_EQ(ask(*guest, "count"), "1");
    auto taking = std::async(std::launch::async, [&] { return guest->snapshot(patience); });
    std::this_thread::sleep_for(std::chrono::microseconds(round * 300));  // another moment in each round
    guest->kill();
    finish(*guest, "clones").expect_cause(exit_cause::killed);
    auto saved = taking.get();
    if (!saved) continue;
    auto clone = spawn(*saved);
    ASSERT_TRUE(clone) << clone.error().to_string();
    EXPECT_EQ(ask(*clone, "count"), "2");
  }
}

TEST_F(guest_templates, a_guest_that_ended_gives_none) {
  auto guest = start("hello");
  ASSERT_TRUE(guest);
  finish(*guest, "hello").expect_exit(0);
  const auto saved = guest->snapshot(patience);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, make_error_code(osvm::errc::closed));
}

TEST_F(guest_templates, clones_that_are_killed_at_once_leave_nothing) {
  auto guest = start_warm();
  ASSERT_TRUE(guest);
  EXPECT_EQ(ask(*guest, "count"), "1");
  auto saved = guest->snapshot(patience);
  ASSERT_TRUE(saved) << saved.error().to_string();
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  { auto warm_up = spawn(*saved); }
  const auto before = open_files();
  const auto files = std::distance(std::filesystem::directory_iterator(dir), {});
  for (int round = 0; round < 50; ++round) {
    auto clone = spawn(*saved);
    ASSERT_TRUE(clone) << clone.error().to_string();
    if (round % 2 == 0) {
      EXPECT_EQ(ask(*clone, "count"), "2");
    }
  }
  EXPECT_EQ(open_files(), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir), {}), files) << "names of sockets";
  EXPECT_EQ(ask(*guest, "count"), "2");
}

}  // namespace
