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

std::int64_t do_getpid(call_context&) {
  return guest_pid;
}
// Its session and its group, of which it is the leader.
std::int64_t do_group_of(call_context& ctx) {
  const int which = int_arg(ctx, 0);
  return which == 0 || which == guest_pid || ctx.instance.host.has_thread(which) ? guest_pid : -ESRCH;
}
std::int64_t do_getppid(call_context&) {
  return 1;
}
std::int64_t do_getuid(call_context&) {
  return guest_uid;
}

std::int64_t do_exit_group(call_context& ctx) {
  exit_report r;
  r.cause = exit_cause::exited;
  r.status = int_arg(ctx, 0) & 0xff;
  ctx.thread.exiting = true;
  ctx.instance.host.end(std::move(r));
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
  s.procs = static_cast<unsigned short>(ctx.instance.host.thread_count());
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
      return ctx.args[1] <= max_signal ? 0 : -EINVAL;  // the parent does not die before the guest
    case PR_GET_PDEATHSIG: return store(ctx, ctx.args[1], 0) ? 0 : -EFAULT;
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
    const auto us =
        std::chrono::duration_cast<std::chrono::microseconds>(ctx.instance.host.cpu_time()).count();
    u.ru_utime = {us / 1'000'000, us % 1'000'000};
    u.ru_stime = {};
  }
  u.ru_maxrss = static_cast<long>(ctx.memory.usage().peak_bytes >> 10);
  return u;
}

std::int64_t do_getrusage(call_context& ctx) {
  const int who = int_arg(ctx, 0);
  if (who != RUSAGE_SELF && who != RUSAGE_THREAD && who != RUSAGE_CHILDREN) return -EINVAL;
  return store(ctx, ctx.args[1], who == RUSAGE_CHILDREN ? rusage{} : usage_of(ctx, who == RUSAGE_THREAD))
             ? 0
             : -EFAULT;
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

// Processes come with a later version: named, not silently ignored.
constexpr const char* one_process = "unsupported: one process per VM in this version";

std::int64_t do_refuse_process(call_context& ctx) {
  return ctx.instance.deny("fork", one_process, ENOSYS);
}

std::int64_t refuse_program(call_context& ctx, std::uint64_t path_va) {
  std::string path;
  (void)load_path(ctx, path_va, path);
  return ctx.instance.deny("execve " + path, one_process, ENOSYS);
}
std::int64_t do_execve(call_context& ctx) {
  return refuse_program(ctx, ctx.args[0]);
}
std::int64_t do_execveat(call_context& ctx) {
  return refuse_program(ctx, ctx.args[1]);
}
std::int64_t do_refuse_seccomp(call_context& ctx) {
  return ctx.instance.deny("seccomp", "unsupported: the VM and its policy are the filter", ENOSYS);
}
std::int64_t do_no_children(call_context&) {
  return -ECHILD;
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
  return ctx.instance.umask.exchange(unsigned_arg(ctx, 0) & 0777);
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
    {56 + 1, "fork", call<do_refuse_process>},
    {58, "vfork", call<do_refuse_process>},
    {59, "execve", call<do_execve>, capability::always, "spp"},
    {322, "execveat", call<do_execveat>, capability::always, "fsppx"},
    {334, "rseq", call<do_rseq>, capability::always, "plxx"},
    {61, "wait4", call<do_no_children>, capability::always, "iPxP"},
    {247, "waitid", call<do_no_children>, capability::always, "iiPxP"},
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
    {110, "getppid", call<do_getppid>},
    {111, "getpgrp", call<do_getpid>},
    {115, "getgroups", call<do_getgroups>, capability::always, "uP"},
    {118, "getresuid", call<do_getres>, capability::always, "PPP"},
    {120, "getresgid", call<do_getres>, capability::always, "PPP"},
    {121, "getpgid", call<do_group_of>, capability::always, "i"},
    {124, "getsid", call<do_group_of>, capability::always, "i"},
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
