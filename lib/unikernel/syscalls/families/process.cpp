// What a process asks about itself: identity, limits, names, exit.
#include "unikernel/files/attributes.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace osvm::unikernel {
namespace {

std::int64_t do_getpid(call_context& ctx) {
  return ctx.process.pid;
}
std::int64_t do_getuid(call_context&) {
  return guest_uid;
}

std::int64_t do_exit_group(call_context& ctx) {
  exit_report r;
  r.cause = exit_cause::exited;
  r.status = int_arg(ctx, 0) & 0xff;
  ctx.thread.exiting = true;
  ctx.process.host.exit(std::move(r));
  return 0;
}

std::int64_t do_uname(call_context& ctx) {
  utsname u{};
  std::strcpy(u.sysname, "Linux");
  std::strcpy(u.nodename, "osvm");
  std::strcpy(u.release, "6.1.0-osvm");  // what glibc and Go check is "at least 3.2"
  std::strcpy(u.version, "#1 OSVM");
  std::strcpy(u.machine, "x86_64");
  return store(ctx, ctx.args[0], u) ? 0 : -EFAULT;
}

std::int64_t do_sysinfo(call_context& ctx) {
  struct sysinfo s {};
  const auto used = ctx.memory.usage();
  s.uptime =
      std::chrono::duration_cast<std::chrono::seconds>(wait_clock::now() - ctx.instance.started).count();
  s.totalram = ctx.instance.budgets.memory_bytes;
  s.freeram = s.totalram - std::min<std::uint64_t>(used.bytes, s.totalram);
  s.procs = static_cast<unsigned short>(ctx.instance.processes.count());
  s.mem_unit = 1;
  return store(ctx, ctx.args[0], s) ? 0 : -EFAULT;
}

constexpr int pr_set_name = 15, pr_get_name = 16, pr_set_dumpable = 4, pr_get_dumpable = 3,
              pr_set_no_new_privs = 38, pr_get_no_new_privs = 39, pr_set_vma = 0x53564d41,
              pr_set_pdeathsig = 1, pr_set_thp_disable = 41;

std::int64_t do_prctl(call_context& ctx) {
  switch (int_arg(ctx, 0)) {
    case pr_set_name: {
      std::string name;
      const int e = memory_access(ctx.memory).read_string(ctx.args[1], 4096, name);
      if (e == -EFAULT) return e;
      name.resize(std::min<std::size_t>(name.size(), 15));
      std::memset(ctx.thread.name, 0, sizeof ctx.thread.name);
      std::memcpy(ctx.thread.name, name.data(), name.size());
      return 0;
    }
    case pr_get_name: return memory_access(ctx.memory).write(ctx.args[1], ctx.thread.name, 16) ? 0 : -EFAULT;
    case pr_get_dumpable: return 0;
    case PR_SET_PDEATHSIG:
      if (ctx.args[1] > max_signal) return -EINVAL;
      ctx.process.parent_death_signal = static_cast<int>(ctx.args[1]);
      return 0;
    case PR_GET_PDEATHSIG:
      return store(ctx, ctx.args[1], ctx.process.parent_death_signal.load()) ? 0 : -EFAULT;
    case PR_GET_KEEPCAPS: return 0;
    case PR_SET_KEEPCAPS: return ctx.args[1] <= 1 ? 0 : -EINVAL;
    case PR_CAPBSET_READ: return ctx.args[1] <= 63 ? 0 : -EINVAL;
    case PR_GET_TIMERSLACK: return 50'000;
    case PR_SET_TIMERSLACK: return 0;
    case PR_SET_CHILD_SUBREAPER: return 0;
    case PR_GET_SECCOMP: return 0;
    case PR_SET_SECCOMP:
      return ctx.instance.deny("prctl(PR_SET_SECCOMP)", "unsupported: the VM is the filter", EINVAL);
    case pr_get_no_new_privs: return 1;
    case pr_set_dumpable:
    case pr_set_no_new_privs:
    case pr_set_vma:
    case pr_set_thp_disable: return 0;
    default: return -EINVAL;
  }
}

constexpr int arch_set_gs = 0x1001, arch_set_fs = 0x1002, arch_get_fs = 0x1003, arch_get_gs = 0x1004;

std::int64_t do_arch_prctl(call_context& ctx) {
  const std::uint64_t value = ctx.args[1];
  switch (int_arg(ctx, 0)) {
    case arch_set_fs:
    case arch_set_gs:
      // A non-canonical base would drop the vCPU into KVM's emulator, where SYSCALL raises the privilege.
      if (ctx.instance.rules.sanitize_registers && !kvm::user_canonical(value)) return -EPERM;
      (int_arg(ctx, 0) == arch_set_fs ? ctx.thread.fs_base : ctx.thread.gs_base) = value;
      ctx.thread.bases_changed = true;
      return 0;
    case arch_get_fs: return store(ctx, value, ctx.thread.fs_base) ? 0 : -EFAULT;
    case arch_get_gs: return store(ctx, value, ctx.thread.gs_base) ? 0 : -EFAULT;
    default: return -EINVAL;
  }
}

rusage usage_of(call_context& ctx, bool thread_only) {
  rusage u{};
  (void)::getrusage(RUSAGE_THREAD, &u);
  if (!thread_only) {
    u.ru_utime = to_timeval(ctx.process.host.cpu_time());
    u.ru_stime = {};
  }
  u.ru_maxrss = static_cast<long>(ctx.memory.usage().peak_bytes >> 10);
  return u;
}

std::int64_t do_getrusage(call_context& ctx) {
  const int who = int_arg(ctx, 0);
  if (who != RUSAGE_SELF && who != RUSAGE_THREAD && who != RUSAGE_CHILDREN) return -EINVAL;
  rusage u{};
  if (who == RUSAGE_CHILDREN) {
    u.ru_utime = to_timeval(ctx.instance.processes.waited_for_cpu(ctx.process.pid));
  } else {
    u = usage_of(ctx, who == RUSAGE_THREAD);
  }
  return store(ctx, ctx.args[1], u) ? 0 : -EFAULT;
}

// Fills what is writable of [va, va + size).
std::int64_t random_piece(call_context& ctx, std::uint64_t va, std::uint64_t size) {
  memory_access memory(ctx.memory);
  std::vector<iovec> spans;
  if (memory.spans(va, size, 2 /* PROT_WRITE */, spans) == 0) return -EFAULT;
  std::int64_t done = 0;
  for (const iovec& s : spans) {
    for (std::size_t at = 0; at < s.iov_len;) {
      // At most 256 bytes at once: such calls neither block nor return early once the pool is ready.
      const ssize_t n =
          ::getrandom(static_cast<char*>(s.iov_base) + at, std::min<std::size_t>(s.iov_len - at, 256), 0);
      if (n <= 0) return done ? done : n < 0 && errno == EFAULT ? -EFAULT : -EAGAIN;
      at += static_cast<std::size_t>(n);
      done += n;
    }
  }
  return done;
}

std::int64_t do_getrandom(call_context& ctx) {
  constexpr std::uint64_t known = 7;    // GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE
  constexpr std::uint64_t sources = 6;  // GRND_RANDOM and GRND_INSECURE exclude each other
  if ((ctx.args[2] & ~known) || (ctx.args[2] & sources) == sources) return -EINVAL;
  const std::uint64_t size = std::min<std::uint64_t>(ctx.args[1], 1U << 25);
  // Pieces small enough that a kill, or another thread that maps memory, does not wait for a large request.
  constexpr std::uint64_t piece = 64 << 10;
  std::uint64_t done = 0;
  while (done < size && !(done != 0 && ctx.thread.wait.interrupted())) {
    const std::int64_t n = random_piece(ctx, ctx.args[0] + done, std::min(piece, size - done));
    if (n < 0) return done ? static_cast<std::int64_t>(done) : n;
    done += static_cast<std::uint64_t>(n);
  }
  return static_cast<std::int64_t>(done);
}

std::int64_t do_refuse_seccomp(call_context& ctx) {
  return ctx.instance.deny("seccomp", "unsupported: the VM and its policy are the filter", ENOSYS);
}
std::int64_t do_getgroups(call_context& ctx) {
  return int_arg(ctx, 0) < 0 ? -EINVAL : 0;
}
std::int64_t do_set_own_id(call_context& ctx) {
  return int_arg(ctx, 0) == guest_uid ? 0 : -EPERM;
}

std::int64_t do_getres(call_context& ctx) {
  const std::uint32_t id = guest_uid;
  for (int i = 0; i < 3; ++i) {
    if (!store(ctx, ctx.args[i], id)) return -EFAULT;
  }
  return 0;
}

std::int64_t do_umask(call_context& ctx) {
  return ctx.process.umask.exchange(unsigned_arg(ctx, 0) & 0777);
}

std::int64_t do_personality(call_context& ctx) {
  return ctx.args[0] == 0xffffffff || ctx.args[0] == 0 ? 0 : -EINVAL;
}

// Restartable sequences are the host kernel's to restart; a C library asks once, at its start, and does
// without.
std::int64_t do_rseq(call_context&) {
  return -ENOSYS;
}

constexpr syscall_entry process_entries[] = {
    {39, "getpid", call<do_getpid>},
    {334, "rseq", call<do_rseq>, capability::always, "plxx"},
    {63, "uname", call<do_uname>, capability::always, "P"},
    {95, "umask", call<do_umask>, capability::always, "u"},
    {98, "getrusage", call<do_getrusage>, capability::always, "iP"},
    {99, "sysinfo", call<do_sysinfo>, capability::always, "P"},
    {102, "getuid", call<do_getuid>},
    {104, "getgid", call<do_getuid>},
    {105, "setuid", call<do_set_own_id>, capability::always, "u"},
    {106, "setgid", call<do_set_own_id>, capability::always, "u"},
    {107, "geteuid", call<do_getuid>},
    {108, "getegid", call<do_getuid>},
    {115, "getgroups", call<do_getgroups>, capability::always, "uP"},
    {118, "getresuid", call<do_getres>, capability::always, "PPP"},
    {120, "getresgid", call<do_getres>, capability::always, "PPP"},
    {135, "personality", call<do_personality>, capability::always, "u"},
    {157, "prctl", call<do_prctl>, capability::always, "ippll"},
    {158, "arch_prctl", call<do_arch_prctl>, capability::always, "ip"},
    {231, "exit_group", call<do_exit_group>, capability::always, "i"},
    {317, "seccomp", call<do_refuse_seccomp>, capability::always, "uxp"},
    {318, "getrandom", call<do_getrandom>, capability::always, "Plx"},
};

}  // namespace

extern const syscall_family process_family;
const syscall_family process_family{"process", process_entries};

}  // namespace osvm::unikernel
