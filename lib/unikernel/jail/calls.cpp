// seccomp: the system calls that the worker makes for itself and its guest; every other one fails with EPERM.
#include "unikernel/jail/jail.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

namespace osvm::unikernel {
namespace {

// One line a purpose. Threads and memory of the process itself, KVM (ioctl), and what the families of
// lib/unikernel/syscalls call on the guest's behalf.
constexpr const char* allowed[] = {
    // memory
    "brk",
    "mmap",
    "munmap",
    "mprotect",
    "mremap",
    "madvise",
    "mincore",
    "mlock",
    "munlock",
    "memfd_create",
    "membarrier",
    "msync",
    // threads, signals, time
    "exit",
    "exit_group",
    "futex",
    "futex_waitv",
    "set_robust_list",
    "rseq",
    "set_tid_address",
    "gettid",
    "getpid",
    "getppid",
    "tgkill",
    "kill",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigtimedwait",
    "rt_sigreturn",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "sigaltstack",
    "restart_syscall",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_setscheduler",
    "prctl",
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "timer_create",
    "timer_settime",
    "timer_gettime",
    "timer_delete",
    "timer_getoverrun",
    "getrusage",
    "times",
    "getrandom",
    "getcpu",
    "sysinfo",
    "uname",
    "prlimit64",
    "getrlimit",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "signalfd4",
    // descriptors
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "lseek",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "ioctl",
    "fstat",
    "newfstatat",
    "statx",
    "fstatfs",
    "statfs",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "ftruncate",
    "fallocate",
    "fadvise64",
    "flock",
    "sendfile",
    "splice",
    "tee",
    "copy_file_range",
    "pipe2",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "readahead",
    "syncfs",
    "sync",
    // waiting
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    // files beneath the mounts
    "openat",
    "openat2",
    "open",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "mkdirat",
    "mkdir",
    "unlinkat",
    "unlink",
    "rmdir",
    "renameat",
    "renameat2",
    "linkat",
    "symlinkat",
    "fchmod",
    "fchmodat",
    "chmod",
    "utimensat",
    "umask",
    "getcwd",
    "fgetxattr",
    "getxattr",
    "lgetxattr",
    "flistxattr",
    "listxattr",
    "llistxattr",
    "fsetxattr",
    "setxattr",
    "lsetxattr",
    "fremovexattr",
    "removexattr",
    "lremovexattr",
    "truncate",
    "stat",
    "lstat",
    "name_to_handle_at",
    "inotify_init1",
    "inotify_add_watch",
    "inotify_rm_watch",
    // sockets; which families, below
    "socketpair",
    "bind",
    "listen",
    "accept4",
    "accept",
    "connect",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "shutdown",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "sendmmsg",
    "recvmmsg",
};

}  // namespace

result<std::string> filter_calls(const host_access& needs) {
  const std::unique_ptr<void, void (*)(void*)> filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)),
                                                      ::seccomp_release);
  if (!filter) return error(errc::isolation_unsupported, "a jail needs seccomp");
  // Searched as a tree: a call costs a handful of comparisons instead of a hundred.
  if (const int e = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2); e != 0)
    return errno_error("seccomp", -e);
  for (const char* name : allowed) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) continue;  // newer than this libseccomp: stays forbidden
    if (const int e = ::seccomp_rule_add_exact_array(filter.get(), SCMP_ACT_ALLOW, number, 0, nullptr);
        e != 0)
      return errno_error(fmt::format("seccomp rule for {}", name), -e);
  }
  const auto family = [&](int which) {
    return ::seccomp_rule_add_exact(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                    SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(which)));
  };
  // New threads, no new processes. clone3() keeps its flags in memory, where a filter cannot see them: glibc
  // takes clone() when it does not exist.
  int e = ::seccomp_rule_add_exact(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  if (e == 0) {
    e = ::seccomp_rule_add_exact(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
  }
  // Copies that may fail (lib/unikernel/memory/fallible_copy.hpp), within this process alone.
  for (const int call : {SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev)}) {
    if (e == 0) {
      e = ::seccomp_rule_add_exact(filter.get(), SCMP_ACT_ALLOW, call, 1,
                                   SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(::getpid())));
    }
  }
  if (e == 0) e = family(AF_UNIX);
  if (e == 0 && needs.network) e = family(AF_INET);
  if (e == 0 && needs.network) e = family(AF_INET6);
  if (e != 0) return errno_error("seccomp rule for socket", -e);
  if (e = ::seccomp_load(filter.get()); e != 0) return errno_error("seccomp", -e);
  return std::string("seccomp");
}

}  // namespace osvm::unikernel
