// msgget and its relatives: message queues by key, inside one instance.
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/ipc/message_queues.hpp"
#include "unikernel/syscalls/arguments.hpp"

namespace osvm::unikernel {
namespace {

std::int64_t sys_msgget(call_context& ctx) {
  return ctx.instance.queues.get(int_arg(ctx, 0), int_arg(ctx, 1), ::time(nullptr));
}

std::int64_t sys_msgsnd(call_context& ctx) {
  constexpr std::uint64_t kept_with_it = 128;  // what keeping a message costs besides its text
  const std::uint64_t size = ctx.args[2];
  queue_table::message m;
  if (size > queue_table::max_message) return -EINVAL;
  if (!load(ctx, ctx.args[1], m.type)) return -EFAULT;
  if (m.type < 1) return -EINVAL;
  m.charge = memory_charge::take(ctx, size + kept_with_it);
  if (!m.charge) return -ENOMEM;
  m.text.resize(size);
  if (!memory_access(ctx.memory).read(ctx.args[1] + sizeof m.type, m.text.data(), size)) return -EFAULT;
  return ctx.instance.queues.send(int_arg(ctx, 0), std::move(m), int_arg(ctx, 3), ctx.process.pid,
                                  ctx.thread.wait);
}

std::int64_t sys_msgrcv(call_context& ctx) {
  queue_table::receive_options wanted;
  wanted.size = ctx.args[2];
  wanted.type = static_cast<std::int64_t>(ctx.args[3]);
  wanted.flags = int_arg(ctx, 4);
  if (wanted.size > SSIZE_MAX) return -EINVAL;
  if (wanted.flags & MSG_COPY) return ctx.instance.deny("msgrcv MSG_COPY", "unsupported", ENOSYS);
  queue_table::message m;
  const std::int64_t r =
      ctx.instance.queues.receive(int_arg(ctx, 0), wanted, ctx.process.pid, ctx.thread.wait, m);
  if (r < 0) return r;
  const std::size_t size = std::min(m.text.size(), wanted.size);
  if (!store(ctx, ctx.args[1], m.type)) return -EFAULT;
  if (!memory_access(ctx.memory).write(ctx.args[1] + sizeof m.type, m.text.data(), size)) return -EFAULT;
  return static_cast<std::int64_t>(size);
}

std::int64_t sys_msgctl(call_context& ctx) {
  constexpr int ipc_64 = 0x100;
  auto& table = ctx.instance.queues;
  const int id = int_arg(ctx, 0), command = int_arg(ctx, 1) & ~ipc_64;
  msqid_ds about{};
  switch (command) {
    case IPC_STAT: {
      const std::int64_t r = table.stat(id, about);
      return r < 0 ? r : store(ctx, ctx.args[2], about) ? 0 : -EFAULT;
    }
    case IPC_SET: return load(ctx, ctx.args[2], about) ? table.change(id, about, ::time(nullptr)) : -EFAULT;
    case IPC_RMID: return table.remove(id);
    default: return ctx.instance.deny("msgctl " + std::to_string(command), "", EINVAL);
  }
}

constexpr syscall_entry sysv_messages_entries[] = {
    {68, "msgget", call<sys_msgget>, capability::always, "ix"},
    {69, "msgsnd", call<sys_msgsnd>, capability::always, "iplx"},
    {70, "msgrcv", call<sys_msgrcv>, capability::always, "iPlix"},
    {71, "msgctl", call<sys_msgctl>, capability::always, "iiP"},
};

}  // namespace

extern const syscall_family sysv_messages_family;
const syscall_family sysv_messages_family{"sysv_messages", sysv_messages_entries};

}  // namespace osvm::unikernel
