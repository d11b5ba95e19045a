#include "unikernel/trace/words.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>

#include <fmt/format.h>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <iterator>
#include <span>

namespace osvm::unikernel {
namespace {

struct word {
  std::uint64_t value;
  const char* name;
};
#define W(x) \
  { static_cast<std::uint64_t>(x), #x }

// A field of `mask` bits that holds one of `values` (mask 0: none), and flags that may be joined to it.
struct word_set {
  argument_kind kind;
  std::uint64_t mask;
  std::span<const word> values, flags;
};

constexpr std::uint64_t all_bits = 0xffff'ffff;

// clang-format off: tables
constexpr word open_modes[] = {W(O_RDONLY), W(O_WRONLY), W(O_RDWR)};
constexpr word open_bits[] = {W(O_CREAT),
                              W(O_EXCL),
                              W(O_NOCTTY),
                              W(O_TRUNC),
                              W(O_APPEND),
                              W(O_NONBLOCK),
                              W(O_SYNC),
                              W(O_DSYNC),
                              W(O_DIRECT),
                              W(O_TMPFILE),
                              W(O_DIRECTORY),
                              W(O_NOFOLLOW),
                              W(O_CLOEXEC),
                              W(O_PATH),
                              W(O_NOATIME),
                              W(O_ASYNC),
                              {0100000, "O_LARGEFILE"}};
constexpr word access_none[] = {W(F_OK)};
constexpr word access_bits[] = {W(R_OK), W(W_OK), W(X_OK)};
constexpr word at_bits[] = {W(AT_SYMLINK_NOFOLLOW),
                            {0x200, "AT_REMOVEDIR"},
                            W(AT_SYMLINK_FOLLOW),
                            W(AT_NO_AUTOMOUNT),
                            W(AT_EMPTY_PATH)};
constexpr word protection_none[] = {W(PROT_NONE)};
constexpr word protection_bits[] = {W(PROT_READ), W(PROT_WRITE), W(PROT_EXEC), W(PROT_GROWSDOWN)};
constexpr word map_types[] = {W(MAP_SHARED), W(MAP_PRIVATE), W(MAP_SHARED_VALIDATE)};
constexpr word map_bits[] = {W(MAP_FIXED_NOREPLACE), W(MAP_FIXED),     W(MAP_ANONYMOUS), W(MAP_GROWSDOWN),
                             W(MAP_LOCKED),          W(MAP_NORESERVE), W(MAP_POPULATE),  W(MAP_STACK),
                             W(MAP_HUGETLB),         W(MAP_DENYWRITE)};
constexpr word mremap_bits[] = {W(MREMAP_MAYMOVE), W(MREMAP_FIXED), {4, "MREMAP_DONTUNMAP"}};
constexpr word msync_bits[] = {W(MS_ASYNC), W(MS_INVALIDATE), W(MS_SYNC)};
constexpr word advices[] = {W(MADV_NORMAL),     W(MADV_RANDOM),    W(MADV_SEQUENTIAL),  W(MADV_WILLNEED),
                            W(MADV_DONTNEED),   W(MADV_FREE),      W(MADV_REMOVE),      W(MADV_DONTFORK),
                            W(MADV_DOFORK),     W(MADV_MERGEABLE), W(MADV_UNMERGEABLE), W(MADV_HUGEPAGE),
                            W(MADV_NOHUGEPAGE), W(MADV_DONTDUMP),  W(MADV_DODUMP),      W(MADV_WIPEONFORK),
                            W(MADV_KEEPONFORK), W(MADV_COLD),      W(MADV_PAGEOUT)};
constexpr word whences[] = {W(SEEK_SET), W(SEEK_CUR), W(SEEK_END), W(SEEK_DATA), W(SEEK_HOLE)};
constexpr word clone_bits[] = {W(CLONE_VM),
                               W(CLONE_FS),
                               W(CLONE_FILES),
                               W(CLONE_SIGHAND),
                               W(CLONE_VFORK),
                               W(CLONE_PARENT),
                               W(CLONE_THREAD),
                               W(CLONE_NEWNS),
                               W(CLONE_SYSVSEM),
                               W(CLONE_SETTLS),
                               W(CLONE_PARENT_SETTID),
                               W(CLONE_CHILD_CLEARTID),
                               W(CLONE_DETACHED),
                               W(CLONE_UNTRACED),
                               W(CLONE_CHILD_SETTID),
                               W(CLONE_NEWUSER),
                               W(CLONE_NEWPID),
                               W(CLONE_NEWNET),
                               W(CLONE_IO)};
constexpr word clone_signals[] = {{0, ""}, W(SIGCHLD)};
constexpr word futex_commands[] = {
    W(FUTEX_WAIT),        W(FUTEX_WAKE),        W(FUTEX_REQUEUE),         W(FUTEX_CMP_REQUEUE),
    W(FUTEX_WAKE_OP),     W(FUTEX_LOCK_PI),     W(FUTEX_UNLOCK_PI),       W(FUTEX_TRYLOCK_PI),
    W(FUTEX_WAIT_BITSET), W(FUTEX_WAKE_BITSET), W(FUTEX_WAIT_REQUEUE_PI), W(FUTEX_CMP_REQUEUE_PI)};
constexpr word futex_bits[] = {W(FUTEX_PRIVATE_FLAG), W(FUTEX_CLOCK_REALTIME)};
constexpr word mask_hows[] = {W(SIG_BLOCK), W(SIG_UNBLOCK), W(SIG_SETMASK)};
constexpr word clocks[] = {W(CLOCK_REALTIME),          W(CLOCK_MONOTONIC),     W(CLOCK_PROCESS_CPUTIME_ID),
                           W(CLOCK_THREAD_CPUTIME_ID), W(CLOCK_MONOTONIC_RAW), W(CLOCK_REALTIME_COARSE),
                           W(CLOCK_MONOTONIC_COARSE),  W(CLOCK_BOOTTIME)};
constexpr word timerfd_bits[] = {W(TFD_NONBLOCK), W(TFD_CLOEXEC)};
constexpr word eventfd_bits[] = {W(EFD_SEMAPHORE), W(EFD_NONBLOCK), W(EFD_CLOEXEC)};
constexpr word epoll_bits[] = {W(EPOLL_CLOEXEC)};
constexpr word epoll_ops[] = {W(EPOLL_CTL_ADD), W(EPOLL_CTL_DEL), W(EPOLL_CTL_MOD)};
constexpr word families[] = {W(AF_UNSPEC),  W(AF_UNIX),   W(AF_INET), W(AF_INET6),
                             W(AF_NETLINK), W(AF_PACKET), W(AF_VSOCK)};
constexpr word socket_types[] = {W(SOCK_STREAM), W(SOCK_DGRAM), W(SOCK_RAW), W(SOCK_SEQPACKET)};
constexpr word socket_bits[] = {W(SOCK_NONBLOCK), W(SOCK_CLOEXEC)};
constexpr word message_bits[] = {W(MSG_OOB),      W(MSG_PEEK),     W(MSG_DONTROUTE),   W(MSG_CTRUNC),
                                 W(MSG_TRUNC),    W(MSG_DONTWAIT), W(MSG_EOR),         W(MSG_WAITALL),
                                 W(MSG_NOSIGNAL), W(MSG_MORE),     W(MSG_CMSG_CLOEXEC)};
constexpr word shutdowns[] = {W(SHUT_RD), W(SHUT_WR), W(SHUT_RDWR)};
constexpr word levels[] = {W(SOL_SOCKET), W(IPPROTO_IP), W(IPPROTO_TCP), W(IPPROTO_UDP), W(IPPROTO_IPV6)};
constexpr word socket_options[] = {
    W(SO_DEBUG),      W(SO_REUSEADDR), W(SO_TYPE),      W(SO_ERROR),     W(SO_DONTROUTE), W(SO_BROADCAST),
    W(SO_SNDBUF),     W(SO_RCVBUF),    W(SO_KEEPALIVE), W(SO_OOBINLINE), W(SO_LINGER),    W(SO_REUSEPORT),
    W(SO_PASSCRED),   W(SO_PEERCRED),  W(SO_RCVLOWAT),  W(SO_SNDLOWAT),  W(SO_RCVTIMEO),  W(SO_SNDTIMEO),
    W(SO_ACCEPTCONN), W(SO_PROTOCOL),  W(SO_DOMAIN)};
constexpr word fcntls[] = {
    W(F_DUPFD),         W(F_GETFD),      W(F_SETFD),      W(F_GETFL),     W(F_SETFL),     W(F_GETLK),
    W(F_SETLK),         W(F_SETLKW),     W(F_SETOWN),     W(F_GETOWN),    W(F_SETSIG),    W(F_GETSIG),
    W(F_DUPFD_CLOEXEC), W(F_SETPIPE_SZ), W(F_GETPIPE_SZ), W(F_ADD_SEALS), W(F_GET_SEALS), W(F_SETLEASE),
    W(F_NOTIFY),        W(F_OFD_GETLK),  W(F_OFD_SETLK),  W(F_OFD_SETLKW)};
constexpr word ioctls[] = {
    W(TCGETS),    W(TCSETS),    W(TCSETSW),  W(TIOCGWINSZ), W(TIOCSWINSZ),
    W(TIOCGPGRP), W(TIOCSPGRP), W(TIOCSTI),  W(TIOCSCTTY),  W(FIONREAD),
    W(FIONBIO),   W(FIOCLEX),   W(FIONCLEX), W(FIOASYNC),   W(IOCTL_VM_SOCKETS_GET_LOCAL_CID)};
constexpr word prctls[] = {
    W(PR_SET_PDEATHSIG),    W(PR_GET_DUMPABLE),     W(PR_SET_DUMPABLE),         W(PR_SET_NAME),
    W(PR_GET_NAME),         W(PR_SET_SECCOMP),      W(PR_CAPBSET_READ),         W(PR_SET_TIMERSLACK),
    W(PR_SET_NO_NEW_PRIVS), W(PR_GET_NO_NEW_PRIVS), {0x53564d41, "PR_SET_VMA"}, W(PR_SET_THP_DISABLE),
    W(PR_CAP_AMBIENT)};
constexpr word arch_prctls[] = {{0x1001, "ARCH_SET_GS"},        {0x1002, "ARCH_SET_FS"},
                                {0x1003, "ARCH_GET_FS"},        {0x1004, "ARCH_GET_GS"},
                                {0x1011, "ARCH_GET_CPUID"},     {0x3001, "ARCH_CET_STATUS"},
                                {0x1021, "ARCH_GET_XCOMP_SUPP"}};
constexpr word random_bits[] = {W(GRND_NONBLOCK), W(GRND_RANDOM), {4, "GRND_INSECURE"}};
constexpr word resources[] = {W(RLIMIT_CPU),      W(RLIMIT_FSIZE), W(RLIMIT_DATA),   W(RLIMIT_STACK),
                              W(RLIMIT_CORE),     W(RLIMIT_RSS),   W(RLIMIT_NPROC),  W(RLIMIT_NOFILE),
                              W(RLIMIT_MEMLOCK),  W(RLIMIT_AS),    W(RLIMIT_LOCKS),  W(RLIMIT_SIGPENDING),
                              W(RLIMIT_MSGQUEUE), W(RLIMIT_NICE),  W(RLIMIT_RTPRIO), W(RLIMIT_RTTIME)};
constexpr word wait_bits[] = {W(WNOHANG), W(WUNTRACED), W(WEXITED), W(WCONTINUED), W(WNOWAIT)};
constexpr word itimers[] = {W(ITIMER_REAL), W(ITIMER_VIRTUAL), W(ITIMER_PROF)};

// clang-format on

using k = argument_kind;
constexpr word_set sets[] = {
    {k::open_flags, O_ACCMODE, open_modes, open_bits},
    {k::access_mode, 0, access_none, access_bits},
    {k::at_flags, 0, {}, at_bits},
    {k::protection, 0, protection_none, protection_bits},
    {k::map_flags, 3, map_types, map_bits},
    {k::mremap_flags, 0, {}, mremap_bits},
    {k::msync_flags, 0, {}, msync_bits},
    {k::advice, all_bits, advices, {}},
    {k::whence, all_bits, whences, {}},
    {k::clone_flags, 0xff, clone_signals, clone_bits},
    {k::futex_op, all_bits & ~std::uint64_t{FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME}, futex_commands,
     futex_bits},
    {k::mask_how, all_bits, mask_hows, {}},
    {k::clock, all_bits, clocks, {}},
    {k::timerfd_flags, 0, {}, timerfd_bits},
    {k::eventfd_flags, 0, {}, eventfd_bits},
    {k::epoll_flags, 0, {}, epoll_bits},
    {k::epoll_op, all_bits, epoll_ops, {}},
    {k::address_family, all_bits, families, {}},
    {k::socket_type, 0xf, socket_types, socket_bits},
    {k::socket_flags, 0, {}, socket_bits},
    {k::message_flags, 0, {}, message_bits},
    {k::shutdown_how, all_bits, shutdowns, {}},
    {k::option_level, all_bits, levels, {}},
    {k::socket_option, all_bits, socket_options, {}},
    {k::fcntl_command, all_bits, fcntls, {}},
    {k::ioctl_request, all_bits, ioctls, {}},
    {k::prctl_option, all_bits, prctls, {}},
    {k::arch_prctl_option, all_bits, arch_prctls, {}},
    {k::random_flags, 0, {}, random_bits},
    {k::resource, all_bits, resources, {}},
    {k::wait_flags, 0, {}, wait_bits},
    {k::itimer, all_bits, itimers, {}},
};

const word* find(std::span<const word> words, std::uint64_t value) noexcept {
  for (const word& w : words)
    if (w.value == value) return &w;
  return nullptr;
}

void join(std::string& out, std::size_t begin, std::string_view next) {
  if (next.empty()) return;
  if (out.size() > begin) out += '|';
  out += next;
}

// clang-format off: tables
constexpr const char* errno_names[] = {
    "OK",           "EPERM",  "ENOENT",  "ESRCH",     "EINTR",  "EIO",    "ENXIO",   "E2BIG",  "ENOEXEC",
    "EBADF",        "ECHILD", "EAGAIN",  "ENOMEM",    "EACCES", "EFAULT", "ENOTBLK", "EBUSY",  "EEXIST",
    "EXDEV",        "ENODEV", "ENOTDIR", "EISDIR",    "EINVAL", "ENFILE", "EMFILE",  "ENOTTY", "ETXTBSY",
    "EFBIG",        "ENOSPC", "ESPIPE",  "EROFS",     "EMLINK", "EPIPE",  "EDOM",    "ERANGE", "EDEADLK",
    "ENAMETOOLONG", "ENOLCK", "ENOSYS",  "ENOTEMPTY", "ELOOP"};
constexpr word late_errnos[] = {W(ENODATA),
                                W(EOVERFLOW),
                                W(EPROTO),
                                W(EBADMSG),
                                W(ENOTSOCK),
                                W(EDESTADDRREQ),
                                W(EMSGSIZE),
                                W(EPROTOTYPE),
                                W(ENOPROTOOPT),
                                W(EPROTONOSUPPORT),
                                W(ESOCKTNOSUPPORT),
                                W(EOPNOTSUPP),
                                W(EPFNOSUPPORT),
                                W(EAFNOSUPPORT),
                                W(EADDRINUSE),
                                W(EADDRNOTAVAIL),
                                W(ENETDOWN),
                                W(ENETUNREACH),
                                W(ECONNABORTED),
                                W(ECONNRESET),
                                W(ENOBUFS),
                                W(EISCONN),
                                W(ENOTCONN),
                                W(ESHUTDOWN),
                                W(ETIMEDOUT),
                                W(ECONNREFUSED),
                                W(EHOSTDOWN),
                                W(EHOSTUNREACH),
                                W(EALREADY),
                                W(EINPROGRESS),
                                W(ESTALE),
                                W(EDQUOT),
                                W(ECANCELED),
                                W(EOWNERDEAD),
                                W(ENOTRECOVERABLE),
                                {512, "ERESTARTSYS"},
                                {513, "ERESTARTNOINTR"},
                                {514, "ERESTARTNOHAND"},
                                {516, "ERESTART_RESTARTBLOCK"}};
constexpr const char* signal_names[] = {
    nullptr,     "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
    "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
    "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
    "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"};
constexpr word file_types[] = {W(S_IFREG), W(S_IFDIR), W(S_IFLNK), W(S_IFCHR),
                               W(S_IFBLK), W(S_IFIFO), W(S_IFSOCK)};
// clang-format on

}  // namespace

bool append_words(std::string& out, argument_kind kind, std::uint64_t value) {
  for (const word_set& set : sets) {
    if (set.kind != kind) continue;
    const std::size_t begin = out.size();
    std::uint64_t left = value & all_bits;  // all of these are ints
    if (!set.values.empty() && (set.mask != 0 || left == 0)) {
      if (const word* w = find(set.values, left & set.mask)) {
        join(out, begin, w->name);
        left &= ~set.mask;
      }
    }
    for (const word& f : set.flags) {
      if (f.value != 0 && (left & f.value) == f.value) {
        join(out, begin, f.name);
        left &= ~f.value;
      }
    }
    if (left != 0) join(out, begin, fmt::format("{:#x}", left));
    if (out.size() == begin) out += '0';
    return true;
  }
  return false;
}

const char* errno_name(int error) noexcept {
  if (error >= 0 && static_cast<std::size_t>(error) < std::size(errno_names)) return errno_names[error];
  const word* w = find(late_errnos, static_cast<std::uint64_t>(error));
  return w ? w->name : nullptr;
}

const char* signal_name(int number) noexcept {
  return number > 0 && static_cast<std::size_t>(number) < std::size(signal_names) ? signal_names[number]
                                                                                  : nullptr;
}

const char* file_type_name(std::uint32_t mode) noexcept {
  const word* w = find(file_types, mode & S_IFMT);
  return w ? w->name : nullptr;
}

}  // namespace osvm::unikernel
