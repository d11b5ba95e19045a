// semget and its relatives: semaphores by key, inside one instance.
#include "unikernel/ipc/semaphores.hpp"

#include "unikernel/syscalls/arguments.hpp"

namespace osvm::unikernel {
namespace {

std::int64_t sys_semget(call_context& ctx) {
  return ctx.instance.semaphores.get(int_arg(ctx, 0), int_arg(ctx, 1), int_arg(ctx, 2), ::time(nullptr));
}

std::int64_t semaphore_operations(call_context& ctx, deadline until) {
  const std::uint64_t count = unsigned_arg(ctx, 2);
  if (count == 0) return -EINVAL;
  if (count > semaphore_table::max_operations) return -E2BIG;
  std::vector<sembuf> operations(count);
  if (!memory_access(ctx.memory).read(ctx.args[1], operations.data(), count * sizeof(sembuf))) return -EFAULT;
  return ctx.instance.semaphores.operate(int_arg(ctx, 0), operations, ctx.process.pid, ctx.thread.wait,
                                         until);
}
std::int64_t sys_semop(call_context& ctx) {
  return semaphore_operations(ctx, std::nullopt);
}
std::int64_t sys_semtimedop(call_context& ctx) {
  timespec limit{};
  if (ctx.args[3] == 0) return semaphore_operations(ctx, std::nullopt);
  if (!load(ctx, ctx.args[3], limit)) return -EFAULT;
  if (!valid(limit)) return -EINVAL;
  return semaphore_operations(ctx, deadline_after(limit));
}

std::int64_t semaphore_values(call_context& ctx, int id) {
  std::vector<std::uint16_t> all;
  if (const auto r = ctx.instance.semaphores.values(id, all); r < 0) return r;
  return memory_access(ctx.memory).write(ctx.args[3], all.data(), all.size() * 2) ? 0 : -EFAULT;
}
std::int64_t set_semaphore_values(call_context& ctx, int id, std::int64_t now) {
  semid_ds about{};
  if (const auto r = ctx.instance.semaphores.stat(id, about); r < 0) return r;
  std::vector<std::uint16_t> all(about.sem_nsems);
  if (!memory_access(ctx.memory).read(ctx.args[3], all.data(), all.size() * 2)) return -EFAULT;
  return ctx.instance.semaphores.set_values(id, all, ctx.process.pid, now);
}

std::int64_t sys_semctl(call_context& ctx) {
  constexpr int ipc_64 = 0x100;
  auto& table = ctx.instance.semaphores;
  const int id = int_arg(ctx, 0), number = int_arg(ctx, 1), command = int_arg(ctx, 2) & ~ipc_64;
  const std::int64_t now = ::time(nullptr);
  semid_ds about{};
  switch (command) {
    case IPC_STAT: {
      const std::int64_t r = table.stat(id, about);
      return r < 0 ? r : store(ctx, ctx.args[3], about) ? 0 : -EFAULT;
    }
    case IPC_SET: return load(ctx, ctx.args[3], about) ? table.change(id, about.sem_perm, now) : -EFAULT;
    case IPC_RMID: return table.remove(id);
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT: return table.ask(id, number, command);
    case SETVAL: return table.set_value(id, number, int_arg(ctx, 3), ctx.process.pid, now);
    case GETALL: return semaphore_values(ctx, id);
    case SETALL: return set_semaphore_values(ctx, id, now);
    default: return ctx.instance.deny("semctl " + std::to_string(command), "", EINVAL);
  }
}

constexpr syscall_entry sysv_semaphores_entries[] = {
    {64, "semget", call<sys_semget>, capability::always, "iix"},
    {65, "semop", call<sys_semop>, capability::always, "ipl"},
    {66, "semctl", call<sys_semctl>, capability::always, "iiiP"},
    {220, "semtimedop", call<sys_semtimedop>, capability::always, "iplp"},
};

}  // namespace

extern const syscall_family sysv_semaphores_family;
const syscall_family sysv_semaphores_family{"sysv_semaphores", sysv_semaphores_entries};

}  // namespace osvm::unikernel
