// System V semaphores and queues: bounds that no program can pass, and what two instances know of each other.
#include "support/guest_without_vm.hpp"

#include <gtest/gtest.h>

#include <sys/msg.h>
#include <sys/sem.h>

namespace {

using namespace osvm::unikernel;
using namespace osvm::unikernel::testing;

constexpr std::uint64_t semget_ = 64, semop_ = 65, semctl_ = 66, msgget_ = 68, msgsnd_ = 69, msgrcv_ = 70,
                        msgctl_ = 71;
constexpr std::uint64_t own = IPC_CREAT | 0600;

TEST(sysv, semaphore_sets_are_bounded_and_room_comes_back) {
  guest g;
  for (std::size_t n = 0; n < semaphore_table::max_sets; ++n)
    ASSERT_EQ(g.call(semget_, {IPC_PRIVATE, 1, own}), static_cast<std::int64_t>(n));
  EXPECT_EQ(g.call(semget_, {IPC_PRIVATE, 1, own}), -ENOSPC);
  EXPECT_EQ(g.call(semctl_, {7, 0, IPC_RMID}), 0);
  EXPECT_GE(g.call(semget_, {IPC_PRIVATE, 1, own}), 0);
  EXPECT_EQ(g.call(semget_, {IPC_PRIVATE, semaphore_table::max_per_set + 1, own}), -EINVAL);
  EXPECT_EQ(g.call(semop_, {0, g.room(16), semaphore_table::max_operations + 1}), -E2BIG);
  EXPECT_EQ(g.call(semop_, {0, 8, 1}), -EFAULT);
}

TEST(sysv, undo_of_what_cannot_be_recorded_is_refused) {
  guest g;
  auto& table = g.state.semaphores;
  const auto id = static_cast<int>(g.call(semget_, {IPC_PRIVATE, 1, own}));
  const sembuf up{0, 1, SEM_UNDO};
  waiter w;
  for (int pid = 1; pid <= static_cast<int>(semaphore_table::max_undo); ++pid)
    ASSERT_EQ(table.operate(id, {&up, 1}, pid, w, std::nullopt), 0);
  EXPECT_EQ(table.operate(id, {&up, 1}, 1 << 20, w, std::nullopt), -ENOSPC);
  table.process_ended(1);
  EXPECT_EQ(table.ask(id, 0, GETVAL), static_cast<std::int64_t>(semaphore_table::max_undo) - 1);
  EXPECT_EQ(table.operate(id, {&up, 1}, 1 << 20, w, std::nullopt), 0);
}

TEST(sysv, queues_are_bounded_and_room_comes_back) {
  guest g;
  for (std::size_t n = 0; n < queue_table::max_queues; ++n)
    ASSERT_EQ(g.call(msgget_, {IPC_PRIVATE, own}), static_cast<std::int64_t>(n));
  EXPECT_EQ(g.call(msgget_, {IPC_PRIVATE, own}), -ENOSPC);
  EXPECT_EQ(g.call(msgctl_, {3, IPC_RMID, 0}), 0);
  EXPECT_GE(g.call(msgget_, {IPC_PRIVATE, own}), 0);
}

TEST(sysv, messages_count_as_the_guests_memory) {
  guest g;
  const auto id = static_cast<std::uint64_t>(g.call(msgget_, {IPC_PRIVATE, own}));
  const auto message = g.room(128);
  const std::int64_t type = 1;
  ASSERT_TRUE(memory_access(g.memory).write(message, type));
  const auto before = g.state.object_bytes->load();
  ASSERT_EQ(g.call(msgsnd_, {id, message, 100, 0}), 0);
  EXPECT_GT(g.state.object_bytes->load(), before + 100);
  ASSERT_EQ(g.call(msgrcv_, {id, message, 100, 0, 0}), 100);
  EXPECT_EQ(g.state.object_bytes->load(), before);
  g.state.object_bytes->store(g.state.budgets.memory_bytes);
  EXPECT_EQ(g.call(msgsnd_, {id, message, 100, 0}), -ENOMEM);
  g.state.object_bytes->store(before);
}

TEST(sysv, keys_mean_nothing_to_another_instance) {
  guest one, other;
  constexpr std::uint64_t key = 0x1234;
  ASSERT_GE(one.call(semget_, {key, 1, own}), 0);
  ASSERT_GE(one.call(msgget_, {key, own}), 0);
  EXPECT_EQ(other.call(semget_, {key, 1, 0}), -ENOENT);
  EXPECT_EQ(other.call(msgget_, {key, 0}), -ENOENT);
  EXPECT_EQ(one.call(semget_, {key, 1, 0}), 0);  // the control: to itself they do
}

}  // namespace
