// Process groups and sessions, and whose child a process is.
#include "unikernel/syscalls/arguments.hpp"

namespace osvm::unikernel {
namespace {

// A process or a thread of the caller's own; 0 is the caller.
int process_named(call_context& ctx, int id) {
  return id == 0 || ctx.process.host.has_thread(id) ? ctx.process.pid : id;
}

std::int64_t sys_getppid(call_context& ctx) {
  return ctx.instance.processes.parent_of(ctx.process.pid);
}
std::int64_t sys_getpgrp(call_context& ctx) {
  return ctx.instance.processes.group_of(ctx.process.pid).value_or(ctx.process.pid);
}
std::int64_t sys_getpgid(call_context& ctx) {
  return ctx.instance.processes.group_of(process_named(ctx, int_arg(ctx, 0))).value_or(-ESRCH);
}
std::int64_t sys_getsid(call_context& ctx) {
  return ctx.instance.processes.session_of(process_named(ctx, int_arg(ctx, 0))).value_or(-ESRCH);
}
std::int64_t sys_setpgid(call_context& ctx) {
  const int pid = int_arg(ctx, 0) == 0 ? ctx.process.pid : int_arg(ctx, 0), group = int_arg(ctx, 1);
  if (group < 0) return -EINVAL;
  return ctx.instance.processes.set_group(ctx.process.pid, pid, group == 0 ? pid : group);
}
std::int64_t sys_setsid(call_context& ctx) {
  return ctx.instance.processes.new_session(ctx.process.pid);
}

constexpr syscall_entry groups_entries[] = {
    {109, "setpgid", call<sys_setpgid>, capability::always, "ii"},
    {110, "getppid", call<sys_getppid>},
    {111, "getpgrp", call<sys_getpgrp>},
    {112, "setsid", call<sys_setsid>},
    {121, "getpgid", call<sys_getpgid>, capability::always, "i"},
    {124, "getsid", call<sys_getsid>, capability::always, "i"},
};

}  // namespace

extern const syscall_family groups_family;
const syscall_family groups_family{"groups", groups_entries};

}  // namespace osvm::unikernel
