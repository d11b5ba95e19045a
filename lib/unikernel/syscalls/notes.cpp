#include "unikernel/syscalls/notes.hpp"

#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr auto partly = call_support::partly;
constexpr auto refused = call_support::refused;

// Sorted by subject. A call without a line here is served in full, or unknown (-ENOSYS) when it has no
// handler.
constexpr call_note notes[] = {
    // files
    {"open", partly,
     "regular files, directories, own FIFOs and synthetic files; O_TMPFILE below host mounts, O_DIRECT and "
     "O_ASYNC "
     "are refused"},
    {"openat", partly, "as open"},
    {"chmod", partly, "set-ID bits are refused; below writable mounts only"},
    {"fchmod", partly, "as chmod"},
    {"fchmodat", partly, "as chmod"},
    {"chown", partly, "to the guest's own user only"},
    {"fchown", partly, "as chown"},
    {"lchown", partly, "as chown"},
    {"fchownat", partly, "as chown"},
    {"symlink", partly, "relative targets inside the same mount"},
    {"symlinkat", partly, "as symlink"},
    {"link", partly, "inside one writable mount"},
    {"linkat", partly, "as link"},
    {"rename", partly, "inside one mount"},
    {"renameat", partly, "as rename"},
    {"renameat2", partly, "RENAME_NOREPLACE and RENAME_EXCHANGE"},
    {"fcntl", partly, "no owner, signal, lease or notify commands"},
    {"ioctl", partly,
     "an allow-list: TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, the vsock id"},
    {"fallocate", partly, "FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE"},
    {"preadv2", partly, "RWF_HIPRI, RWF_DSYNC and RWF_SYNC"},
    {"pwritev2", partly, "as preadv2"},
    {"mknod", partly,
     "regular files and FIFOs; a FIFO joins processes of one instance, also in a folder of the host"},
    {"mknodat", partly, "as mknod"},
    {"vmsplice", refused, "a guest's pages stay its own; splice and tee are served"},
    {"fanotify_init", refused, "inotify is served"},
    {"mount", refused, "the name space is the policy's"},
    {"umount2", refused, "the name space is the policy's"},
    {"pivot_root", refused, "the name space is the policy's"},
    {"process_vm_writev", refused, "a guest has no privileges over a kernel"},
    {"process_vm_readv", refused, "a guest has no privileges over a kernel"},
    {"open_by_handle_at", refused, "a guest has no privileges over a kernel"},
    {"clock_settime", refused, "a guest has no privileges over a kernel"},
    {"ioperm", refused, "a guest has no privileges over a kernel"},
    {"iopl", refused, "a guest has no privileges over a kernel"},
    {"setdomainname", refused, "a guest has no privileges over a kernel"},
    {"sethostname", refused, "a guest has no privileges over a kernel"},
    {"swapoff", refused, "a guest has no privileges over a kernel"},
    {"swapon", refused, "a guest has no privileges over a kernel"},
    {"settimeofday", refused, "a guest has no privileges over a kernel"},
    {"acct", refused, "a guest has no privileges over a kernel"},
    {"setpriority", partly, "for the calling thread, downwards only"},
    {"setrlimit", partly, "within the budgets; processor time, descriptors and the size of files act"},
    {"mincore", partly, "pages that the guest was given, not the host's page cache"},
    {"capset", partly, "to no capabilities only"},
    {"setgroups", refused, "a guest has one user"},
    {"setfsgid", partly, "to the own ids only"},
    {"setfsuid", partly, "to the own ids only"},
    {"setresgid", partly, "to the own ids only"},
    {"setresuid", partly, "to the own ids only"},
    {"setregid", partly, "to the own ids only"},
    {"setreuid", partly, "to the own ids only"},
    {"flistxattr", partly, "the list is empty"},
    {"llistxattr", partly, "the list is empty"},
    {"listxattr", partly, "the list is empty"},
    {"fgetxattr", refused, "files of a guest have no extended attributes: EOPNOTSUPP"},
    {"lgetxattr", refused, "files of a guest have no extended attributes: EOPNOTSUPP"},
    {"getxattr", refused, "files of a guest have no extended attributes: EOPNOTSUPP"},
    {"fremovexattr", refused, "files of a guest have no extended attributes: EOPNOTSUPP"},
    {"lremovexattr", refused, "files of a guest have no extended attributes: EOPNOTSUPP"},
    {"removexattr", refused, "files of a guest have no extended attributes: EOPNOTSUPP"},
    {"fsetxattr", refused, "files of a guest have no extended attributes: EOPNOTSUPP"},
    {"lsetxattr", refused, "files of a guest have no extended attributes: EOPNOTSUPP"},
    {"setxattr", refused, "files of a guest have no extended attributes: EOPNOTSUPP"},
    {"chroot", refused, "the name space is the policy's"},
    // processes
    {"clone", partly, "no namespaces, and no process that shares descriptors or signals with its parent"},
    {"clone3", partly, "no namespaces, and no process that shares descriptors or signals with its parent"},
    {"execve", partly, "a file that the guest can change needs the right to make code"},
    {"execveat", partly, "the same; no AT_SYMLINK_NOFOLLOW"},
    {"waitid", partly, "resource usage is processor time only"},
    {"wait4", partly, "resource usage is processor time only"},
    {"setuid", partly, "to the guest's own user only"},
    {"setgid", partly, "to the guest's own group only"},
    {"prctl", partly, "names and harmless settings"},
    {"ptrace", refused, "nothing to trace but itself"},
    {"seccomp", refused, "the policy stands outside the guest"},
    {"bpf", refused, "kernel programs"},
    {"perf_event_open", refused, "host counters"},
    {"userfaultfd", refused, "page faults are the VMM's"},
    {"init_module", refused, "there is no kernel"},
    {"finit_module", refused, "there is no kernel"},
    {"delete_module", refused, "there is no kernel"},
    {"kexec_load", refused, "there is no kernel"},
    {"kexec_file_load", refused, "there is no kernel"},
    {"reboot", refused, "the embedder ends instances"},
    {"unshare", refused, "no name spaces"},
    {"setns", refused, "no name spaces"},
    {"rseq", refused, "C libraries do without"},
    // scheduling answers without effect on the host
    {"sched_setaffinity", partly, "accepted without effect"},
    {"sched_setparam", partly, "accepted without effect"},
    {"sched_setscheduler", partly, "accepted without effect; real-time policies are refused"},
    {"getpriority", partly, "always the usual one"},
    {"membarrier", partly, "MEMBARRIER_CMD_GLOBAL and the private expedited commands"},
    // signals
    {"kill", partly, "reaches the processes of the instance only"},
    {"rt_sigqueueinfo", partly, "reaches the processes of the instance only"},
    {"pidfd_open", partly, "of the guest itself"},
    {"pidfd_send_signal", partly, "to the guest itself"},
    {"timer_create", partly, "no alarm clocks; setting the wall clock does not move timers"},
    {"clock_nanosleep", partly, "not on CPU time"},
    {"restart_syscall", partly, "calls are repeated by the VMM, so that there is nothing to restart: EINTR"},
    {"mlock", partly, "accepted without effect"},
    {"munlock", partly, "accepted without effect"},
    {"mlock2", partly, "accepted without effect"},
    {"mlockall", partly, "accepted without effect"},
    {"munlockall", partly, "accepted without effect"},
    {"shmget", partly, "no huge pages"},
    {"shmctl", partly, "IPC_STAT, IPC_SET, IPC_RMID, SHM_LOCK and SHM_UNLOCK"},
    {"semctl", partly, "no IPC_INFO, SEM_INFO and SEM_STAT"},
    {"msgctl", partly, "IPC_STAT, IPC_SET and IPC_RMID"},
    {"msgrcv", partly, "no MSG_COPY"},
    {"fadvise64", partly, "accepted without effect"},
    {"futex", partly, "no priority inheritance"},
    // sockets
    {"socket", partly, "families and types that policy knows"},
    {"sendmsg", partly, "no descriptors or credentials on pass-through sockets"},
    {"recvmsg", partly, "no descriptors or credentials on pass-through sockets"},
    {"setsockopt", partly, "an allow-list"},
    {"getsockopt", partly, "an allow-list"},
    // asynchronous I/O
    {"io_uring_setup", refused, "programs fall back"},
    {"io_uring_enter", refused, "programs fall back"},
    {"io_uring_register", refused, "programs fall back"},
    {"io_setup", refused, "programs fall back"},
};

}  // namespace

std::span<const call_note> call_notes() noexcept {
  return notes;
}

const call_note* find_note(const char* name) noexcept {
  for (const call_note& n : notes)
    if (std::strcmp(n.name, name) == 0) return &n;
  return nullptr;
}

}  // namespace osvm::unikernel
