// seccomp: the system calls that the worker makes for itself and its guest; every other one fails with EPERM.
#include "unikernel/jail/jail.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <initializer_list>
#include <memory>
#include <string_view>

namespace osvm::unikernel {
namespace {

// With any arguments. One text a purpose; a name that this libseccomp does not know stays forbidden.
constexpr std::string_view allowed[] = {
    "brk mmap munmap mprotect mremap madvise mincore mlock munlock memfd_create membarrier msync",
    // threads of this process, signals to itself, time
    "exit exit_group futex futex_waitv set_robust_list rseq set_tid_address gettid getpid getppid "
    "rt_sigaction "
    "rt_sigprocmask rt_sigtimedwait rt_sigreturn sigaltstack restart_syscall sched_yield sched_getaffinity "
    "prctl "
    "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time timer_create timer_settime "
    "timer_gettime timer_delete timer_getoverrun getrusage times getrandom getcpu sysinfo uname getuid "
    "geteuid "
    "getgid getegid signalfd4",
    // descriptors, KVM's among them
    "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup "
    "dup2 dup3 "
    "fcntl ioctl fstat newfstatat statx fstatfs statfs fsync fdatasync sync_file_range ftruncate fallocate "
    "fadvise64 "
    "flock sendfile splice tee copy_file_range pipe2 eventfd2 timerfd_create timerfd_settime timerfd_gettime "
    "readahead syncfs sync",
    // waiting
    "poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2",
    // files beneath the mounts
    "openat openat2 open access faccessat faccessat2 readlink readlinkat getdents64 mkdirat mkdir unlinkat "
    "unlink "
    "rmdir renameat renameat2 linkat symlinkat fchmod fchmodat chmod utimensat umask getcwd fgetxattr "
    "getxattr "
    "lgetxattr flistxattr listxattr llistxattr fsetxattr setxattr lsetxattr fremovexattr removexattr "
    "lremovexattr "
    "truncate stat lstat name_to_handle_at inotify_init1 inotify_add_watch inotify_rm_watch",
    // sockets; which families, below
    "socketpair bind listen accept4 accept connect getsockname getpeername getsockopt setsockopt shutdown "
    "sendto "
    "recvfrom sendmsg recvmsg sendmmsg recvmmsg",
};

class filter {
 public:
  explicit filter(std::uint32_t otherwise) : context_(::seccomp_init(otherwise), ::seccomp_release) {
    // Searched as a tree: a call costs a handful of comparisons instead of a hundred.
    note(context_ ? ::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2) : -ENOMEM);
  }
  void rule(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> when = {}) {
    if (call == __NR_SCMP_ERROR) return;
    note(::seccomp_rule_add_exact_array(context_.get(), action, call, static_cast<unsigned>(when.size()),
                                        when.begin()));
  }
  void allow_all(std::string_view names) {
    while (!names.empty()) {
      const std::size_t end = std::min(names.find(' '), names.size());
      rule(SCMP_ACT_ALLOW, ::seccomp_syscall_resolve_name(std::string(names.substr(0, end)).c_str()));
      names.remove_prefix(std::min(end + 1, names.size()));
    }
  }
  result<void> load() {
    if (failed_ == 0) note(::seccomp_load(context_.get()));
    if (failed_ != 0) return errno_error("seccomp", -failed_);
    return {};
  }

 private:
  void note(int status) noexcept { failed_ = failed_ ? failed_ : status; }
  std::unique_ptr<void, void (*)(void*)> context_;
  int failed_ = 0;
};

scmp_arg_cmp is(unsigned argument, std::uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}
// Compares the bits of `mask`: the kernel looks at 32 bits of most arguments, whatever stands above them.
scmp_arg_cmp has(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}
constexpr std::uint64_t all_bits = 0xffff'ffff;

// Calls that name a process: this one only. A worker that root started could else reach root's other
// processes.
void allow_towards_itself(filter& f) {
  const auto own = static_cast<std::uint64_t>(::getpid());
  for (const int call :
       {SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo),
        SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev)})
    f.rule(SCMP_ACT_ALLOW, call, {is(0, own)});
  f.rule(SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), {is(0, 0)});
  f.rule(SCMP_ACT_ALLOW, SCMP_SYS(getpriority), {is(0, 0), is(1, 0)});
  f.rule(SCMP_ACT_ALLOW, SCMP_SYS(setpriority), {is(0, 0), is(1, 0)});
}

// New threads, no new processes. clone3() keeps its flags in memory, where a filter cannot see them: glibc
// takes clone() when it does not exist.
void allow_threads(filter& f) {
  f.rule(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
  f.rule(SCMP_ACT_ALLOW, SCMP_SYS(clone), {has(0, CLONE_THREAD, CLONE_THREAD)});
}

// Names of FIFOs; no devices.
void allow_fifos(filter& f) {
  f.rule(SCMP_ACT_ALLOW, SCMP_SYS(mknodat), {has(2, S_IFMT, S_IFIFO)});
}

void allow_sockets(filter& f, bool network) {
  f.rule(SCMP_ACT_ALLOW, SCMP_SYS(socket), {is(0, AF_UNIX)});
  constexpr std::uint64_t type = 0xf;
  for (const int family : {AF_INET, AF_INET6})
    if (network)
      f.rule(SCMP_ACT_ALLOW, SCMP_SYS(socket),
             {is(0, static_cast<unsigned>(family)), has(1, type, SOCK_STREAM)});
}

// Of calls that are needed: what would type into a terminal, or send its owner's signals to another process.
result<void> forbid_requests() {
  filter f(SCMP_ACT_ALLOW);
  for (const unsigned long request : {TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP})
    f.rule(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), {has(1, all_bits, request)});
  for (const int command : {F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE, F_NOTIFY})
    f.rule(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), {has(1, all_bits, static_cast<unsigned>(command))});
  return f.load();
}

}  // namespace

result<std::string> filter_calls(const host_access& needs) {
  OSVM_CHECK(forbid_requests());  // first: afterwards seccomp() itself is forbidden
  filter f(SCMP_ACT_ERRNO(EPERM));
  for (const std::string_view names : allowed) f.allow_all(names);
  allow_towards_itself(f);
  allow_threads(f);
  allow_fifos(f);
  allow_sockets(f, !needs.ports.empty());
  OSVM_CHECK(f.load());
  return std::string("seccomp");
}

}  // namespace osvm::unikernel
