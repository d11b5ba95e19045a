// Who the guest is: one virtual user without capabilities. And what only a privileged
// user of a kernel may do: refused by name.
#include "unikernel/files/attributes.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>

#include <array>

namespace osvm::unikernel {
namespace {

bool is_own(std::uint64_t id) noexcept {
  const auto n = static_cast<std::uint32_t>(id);
  return n == guest_uid || n == ~std::uint32_t{0};
}

// setreuid, setresuid and their kin: every id must be the guest's own, or -1.
template <int Count>
std::int64_t set_ids(call_context& ctx) {
  for (int i = 0; i < Count; ++i) {
    if (!is_own(ctx.args[i])) return -EPERM;
  }
  return 0;
}
std::int64_t set_file_id(call_context&) {
  return guest_uid;
}  // answers the id before, which is also the one after

std::int64_t sys_capget(call_context& ctx) {
  __user_cap_header_struct header{};
  if (!load(ctx, ctx.args[0], header)) return -EFAULT;
  const bool known = header.version == _LINUX_CAPABILITY_VERSION_1 ||
                     header.version == _LINUX_CAPABILITY_VERSION_2 ||
                     header.version == _LINUX_CAPABILITY_VERSION_3;
  if (!known) {
    header.version = _LINUX_CAPABILITY_VERSION_3;
    if (!store(ctx, ctx.args[0], header)) return -EFAULT;
    return ctx.args[1] ? -EINVAL : 0;
  }
  if (header.pid != 0 && header.pid != 1) return header.pid < 0 ? -EINVAL : -ESRCH;
  if (!ctx.args[1]) return 0;
  const std::array<__user_cap_data_struct, 2> none{};
  const std::size_t size = header.version == _LINUX_CAPABILITY_VERSION_1 ? sizeof none[0] : sizeof none;
  return memory_access(ctx.memory).write(ctx.args[1], none.data(), size) ? 0 : -EFAULT;
}

std::int64_t sys_capset(call_context& ctx) {
  __user_cap_header_struct header{};
  std::array<__user_cap_data_struct, 2> wanted{};
  if (!load(ctx, ctx.args[0], header)) return -EFAULT;
  const std::size_t size = header.version == _LINUX_CAPABILITY_VERSION_1 ? sizeof wanted[0] : sizeof wanted;
  if (!memory_access(ctx.memory).read(ctx.args[1], wanted.data(), size)) return -EFAULT;
  for (const auto& w : wanted) {
    if (w.effective | w.permitted) return -EPERM;
  }
  return 0;
}

std::int64_t refuse(call_context& ctx, const char* name) {
  return ctx.instance.deny(name, "never granted: a guest has no privileges over a kernel", EPERM);
}

#define OSVM_PRIVILEGED(number, name)                                                         \
  {                                                                                           \
    number, #name, call<[](call_context& ctx) -> std::int64_t { return refuse(ctx, #name); }> \
  }

constexpr syscall_entry identity_entries[] = {
    {113, "setreuid", call<set_ids<2>>, capability::always, "uu"},
    {114, "setregid", call<set_ids<2>>, capability::always, "uu"},
    {116, "setgroups", call<[](call_context&) -> std::int64_t { return -EPERM; }>, capability::always, "lp"},
    {117, "setresuid", call<set_ids<3>>, capability::always, "uuu"},
    {119, "setresgid", call<set_ids<3>>, capability::always, "uuu"},
    {122, "setfsuid", call<set_file_id>, capability::always, "u"},
    {123, "setfsgid", call<set_file_id>, capability::always, "u"},
    {125, "capget", call<sys_capget>, capability::always, "pP"},
    {126, "capset", call<sys_capset>, capability::always, "pp"},
    OSVM_PRIVILEGED(101, ptrace),
    OSVM_PRIVILEGED(155, pivot_root),
    OSVM_PRIVILEGED(161, chroot),
    OSVM_PRIVILEGED(163, acct),
    OSVM_PRIVILEGED(164, settimeofday),
    OSVM_PRIVILEGED(165, mount),
    OSVM_PRIVILEGED(166, umount2),
    OSVM_PRIVILEGED(167, swapon),
    OSVM_PRIVILEGED(168, swapoff),
    OSVM_PRIVILEGED(169, reboot),
    OSVM_PRIVILEGED(170, sethostname),
    OSVM_PRIVILEGED(171, setdomainname),
    OSVM_PRIVILEGED(172, iopl),
    OSVM_PRIVILEGED(173, ioperm),
    OSVM_PRIVILEGED(175, init_module),
    OSVM_PRIVILEGED(176, delete_module),
    OSVM_PRIVILEGED(227, clock_settime),
    OSVM_PRIVILEGED(246, kexec_load),
    OSVM_PRIVILEGED(272, unshare),
    OSVM_PRIVILEGED(298, perf_event_open),
    OSVM_PRIVILEGED(304, open_by_handle_at),
    OSVM_PRIVILEGED(308, setns),
    OSVM_PRIVILEGED(310, process_vm_readv),
    OSVM_PRIVILEGED(311, process_vm_writev),
    OSVM_PRIVILEGED(313, finit_module),
    OSVM_PRIVILEGED(321, bpf),
};

#undef OSVM_PRIVILEGED

}  // namespace

extern const syscall_family identity_family;
const syscall_family identity_family{"identity", identity_entries};

}  // namespace osvm::unikernel
