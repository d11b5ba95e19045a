// Calls on a descriptor that is open already: moving bytes, positions, flags, duplicates.
#include "unikernel/files/locks.hpp"
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/files/open.hpp"
#include "unikernel/files/transfer.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <algorithm>
#include <array>
#include <bit>
#include <csignal>
#include <cstring>
#include <string_view>

namespace osvm::unikernel {
namespace {

constexpr int guest_large_file = 0100000;  // O_LARGEFILE, which glibc defines as 0 on x86-64

bool seekable(const descriptor& d) {
  return d.what->kind == file_kind::regular || d.what->kind == file_kind::memory ||
         d.what->kind == file_kind::stream || d.what->kind == file_kind::device;
}

enum class direction : std::uint8_t { in, out };

std::int64_t move(call_context& ctx, direction way, std::span<const guest_range> ranges,
                  std::int64_t offset) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  return way == direction::in ? transfer_in(ctx, *d, ranges, offset) : transfer_out(ctx, *d, ranges, offset);
}

std::int64_t move_one(call_context& ctx, direction way, std::int64_t offset) {
  if (static_cast<std::int64_t>(ctx.args[2]) < 0) return descriptor_arg(ctx) ? -EINVAL : -EBADF;
  const guest_range range{ctx.args[1], std::min<std::uint64_t>(ctx.args[2], max_transfer)};
  return move(ctx, way, {&range, 1}, offset);
}

std::int64_t move_many(call_context& ctx, direction way, std::int64_t offset) {
  std::vector<guest_range> ranges;
  if (const std::int64_t r = copy_ranges(ctx, ctx.args[1], ctx.args[2], ranges); r < 0) return r;
  return move(ctx, way, ranges, offset);
}

// The offset of pread and friends: 0 when usable, else -errno.
std::int64_t check_offset(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (static_cast<std::int64_t>(ctx.args[3]) < 0) return -EINVAL;
  if (d->what->kind == file_kind::directory) return -EISDIR;
  return seekable(*d) && ::lseek(d->host.get(), 0, SEEK_CUR) >= 0 ? 0 : -ESPIPE;
}

std::int64_t sys_read(call_context& ctx) {
  return move_one(ctx, direction::in, current_offset);
}
std::int64_t sys_write(call_context& ctx) {
  return move_one(ctx, direction::out, current_offset);
}
std::int64_t sys_readv(call_context& ctx) {
  return move_many(ctx, direction::in, current_offset);
}
std::int64_t sys_writev(call_context& ctx) {
  return move_many(ctx, direction::out, current_offset);
}

template <std::int64_t (*Move)(call_context&, direction, std::int64_t), direction Way>
std::int64_t at_offset(call_context& ctx) {
  if (const std::int64_t r = check_offset(ctx); r < 0) return r;
  return Move(ctx, Way, static_cast<std::int64_t>(ctx.args[3]));
}

// preadv2/pwritev2: offset -1 means the current one; of the flags only those that change nothing here.
template <direction Way>
std::int64_t vector2(call_context& ctx) {
  constexpr std::uint64_t harmless = RWF_HIPRI | RWF_DSYNC | RWF_SYNC;
  if ((ctx.args[5] & ~harmless) != 0) return -EOPNOTSUPP;
  if (ctx.args[3] == ~std::uint64_t{0}) return move_many(ctx, Way, current_offset);
  return at_offset<move_many, Way>(ctx);
}

std::int64_t sys_lseek(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d || d->what->path_only) return -EBADF;
  if (d->what->kind != file_kind::directory && !seekable(*d)) return -ESPIPE;
  if (!d->host) {  // a synthetic directory, whose positions count names
    if (int_arg(ctx, 2) != SEEK_SET || static_cast<std::int64_t>(ctx.args[1]) < 0) return -EINVAL;
    auto fresh = ctx.args[1] == 0 ? list_folder(ctx, *d->what) : nullptr;
    std::lock_guard guard(d->what->lock);
    if (fresh) d->what->extra = std::move(fresh);
    static_cast<directory_listing*>(d->what->extra.get())->position = ctx.args[1];
    return static_cast<std::int64_t>(ctx.args[1]);
  }
  return host_result(::lseek(d->host.get(), static_cast<off_t>(ctx.args[1]), int_arg(ctx, 2)));
}

std::int64_t sys_close(call_context& ctx) {
  const auto d = ctx.process.descriptors.remove(int_arg(ctx, 0));
  if (d) ctx.process.locks.closed(d->host);
  return d ? 0 : -EBADF;
}

std::int64_t sys_close_range(call_context& ctx) {
  const unsigned first = unsigned_arg(ctx, 0), last = unsigned_arg(ctx, 1), flags = unsigned_arg(ctx, 2);
  constexpr unsigned cloexec = 4;  // CLOSE_RANGE_CLOEXEC
  if (first > last || (flags & ~(cloexec | 2)) != 0) return -EINVAL;
  for (const int fd : ctx.process.descriptors.numbers()) {
    if (static_cast<unsigned>(fd) < first || static_cast<unsigned>(fd) > last) continue;
    if ((flags & cloexec) != 0) {
      (void)ctx.process.descriptors.set_close_on_exec(fd, true);
    } else {
      const auto d = ctx.process.descriptors.remove(fd);
      if (d) ctx.process.locks.closed(d->host);
    }
  }
  return 0;
}

// A duplicate shares the description but owns a host descriptor, so that epoll tells the two apart as Linux
// does.
std::shared_ptr<descriptor> duplicate_of(const descriptor& d) {
  auto copy = std::make_shared<descriptor>();
  copy->what = d.what;
  copy->host = d.host.duplicate();
  return d.host && !copy->host ? nullptr : copy;
}

std::int64_t duplicate(call_context& ctx, int minimum, bool close_on_exec) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  auto copy = duplicate_of(*d);
  return copy ? add_descriptor(ctx, std::move(copy), close_on_exec, minimum) : no_descriptor();
}

std::int64_t duplicate_to(call_context& ctx, bool close_on_exec) {
  const auto d = descriptor_arg(ctx);
  if (!d || int_arg(ctx, 1) < 0) return -EBADF;
  auto copy = duplicate_of(*d);
  return copy ? ctx.process.descriptors.put(int_arg(ctx, 1), std::move(copy), close_on_exec)
              : no_descriptor();
}

std::int64_t sys_dup(call_context& ctx) {
  return duplicate(ctx, 0, false);
}
std::int64_t sys_dup2(call_context& ctx) {
  if (int_arg(ctx, 0) == int_arg(ctx, 1)) return descriptor_arg(ctx) ? int_arg(ctx, 1) : -EBADF;
  return duplicate_to(ctx, false);
}
std::int64_t sys_dup3(call_context& ctx) {
  if (int_arg(ctx, 0) == int_arg(ctx, 1) || (unsigned_arg(ctx, 2) & ~unsigned{O_CLOEXEC}) != 0)
    return -EINVAL;
  return duplicate_to(ctx, (ctx.args[2] & O_CLOEXEC) != 0);
}

std::int64_t status_flags(const descriptor& d) {
  const auto& w = *d.what;
  int flags = w.readable && w.writable ? O_RDWR : w.writable ? O_WRONLY : O_RDONLY;
  if (w.path_only) flags = O_PATH;
  if (w.kind == file_kind::directory) flags |= O_DIRECTORY;
  if (w.kind == file_kind::regular) flags |= guest_large_file;
  return flags | (w.append ? O_APPEND : 0) | (w.nonblocking ? O_NONBLOCK : 0);
}

// What a pipe may hold is the guest's memory.
std::int64_t resize_pipe(call_context& ctx, const descriptor& d, std::uint64_t bytes) {
  constexpr std::uint64_t most = 1 << 20;  // as the host allows without privilege
  if (d.what->kind != file_kind::pipe) return -EBADF;
  if (bytes == 0 || bytes > (std::uint64_t{1} << 31)) return -EINVAL;
  if (bytes > most) return -EPERM;
  const auto held = static_cast<std::uint64_t>(::fcntl(d.host.get(), F_GETPIPE_SZ));
  auto& charge = *static_cast<memory_charge*>(d.what->extra.get());
  const std::uint64_t wanted = std::bit_ceil(std::max<std::uint64_t>(bytes, 4096));
  if (wanted > held && !charge.resize(ctx, wanted)) return -EPERM;
  const std::int64_t r = host_result(::fcntl(d.host.get(), F_SETPIPE_SZ, static_cast<int>(bytes)));
  (void)charge.resize(ctx, r < 0 ? held : static_cast<std::uint64_t>(r));
  return r;
}

// An allow-list: F_SETOWN, F_SETSIG, F_SETLEASE, F_NOTIFY and O_ASYNC would send signals to host processes.
std::int64_t sys_fcntl(call_context& ctx) {
  const int fd = int_arg(ctx, 0);
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  const std::uint64_t arg = ctx.args[2];
  if (is_lock_command(int_arg(ctx, 1))) return lock_by_fcntl(ctx, *d, int_arg(ctx, 1), arg);
  auto& table = ctx.process.descriptors;
  switch (int_arg(ctx, 1)) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if (arg >= table.limit()) return -EINVAL;
      return duplicate(ctx, static_cast<int>(arg), int_arg(ctx, 1) == F_DUPFD_CLOEXEC);
    case F_GETFD: return table.close_on_exec(fd) == 1 ? FD_CLOEXEC : 0;
    case F_SETFD: return table.set_close_on_exec(fd, (arg & FD_CLOEXEC) != 0);
    case F_GETFL: return status_flags(*d);
    case F_SETFL:
      if ((arg & O_ASYNC) != 0) return ctx.instance.deny("fcntl O_ASYNC", "", EINVAL);
      d->what->nonblocking = (arg & O_NONBLOCK) != 0;
      d->what->append = (arg & O_APPEND) != 0;
      return 0;
    case F_SETPIPE_SZ: return resize_pipe(ctx, *d, arg);
    case F_ADD_SEALS:
      if (d->what->kind != file_kind::memory) return -EINVAL;
      return d->what->writable ? host_result(::fcntl(d->host.get(), F_ADD_SEALS, arg)) : -EPERM;
    case F_GET_SEALS:
      return d->what->kind == file_kind::memory ? host_result(::fcntl(d->host.get(), F_GET_SEALS)) : -EINVAL;
    case F_GETOWN: return 0;
    case F_SETOWN:  // without O_ASYNC and urgent data nothing is ever sent
      (void)ctx.instance.deny("fcntl F_SETOWN", "ignored: signals for descriptors are not served", EPERM);
      return 0;
    case F_GETPIPE_SZ:
      return d->what->kind == file_kind::pipe ? host_result(::fcntl(d->host.get(), F_GETPIPE_SZ)) : -EBADF;
    default: return ctx.instance.deny("fcntl " + std::to_string(int_arg(ctx, 1)), "", EINVAL);
  }
}

std::int64_t query_terminal(call_context& ctx, const descriptor& d, unsigned long request, std::size_t size) {
  std::array<std::byte, 64> answer{};
  if (d.what->kind != file_kind::stream || d.what->socket_io || !d.host) return -ENOTTY;
  if (::ioctl(d.host.get(), request, answer.data()) != 0) return -errno;
  return memory_access(ctx.memory).write(ctx.args[2], answer.data(), size) ? 0 : -EFAULT;
}

// The guest's one interface.
std::int64_t ask_interface(call_context& ctx, unsigned request) {
  ifreq asked{};
  constexpr int loopback_index = 1;
  if (!load(ctx, ctx.args[2], asked)) return -EFAULT;
  asked.ifr_name[IFNAMSIZ - 1] = 0;
  if (request == SIOCGIFNAME) {
    if (asked.ifr_ifindex != loopback_index) return -ENODEV;
    std::memcpy(asked.ifr_name, "lo", 3);
  } else if (std::string_view(asked.ifr_name) != "lo") {
    return -ENODEV;
  } else if (request == SIOCGIFINDEX) {
    asked.ifr_ifindex = loopback_index;
  } else if (request == SIOCGIFFLAGS) {
    asked.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
  } else {
    const sockaddr_in address{
        .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    std::memcpy(&asked.ifr_addr, &address, sizeof address);
  }
  return store(ctx, ctx.args[2], asked) ? 0 : -EFAULT;
}

// An allow-list: host descriptors stand behind the guest's (TIOCSTI types into the embedder's terminal).
std::int64_t sys_ioctl(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d || d->what->path_only) return -EBADF;
  constexpr std::size_t kernel_termios = 36;  // struct termios of the kernel, shorter than glibc's
  switch (unsigned_arg(ctx, 1)) {
    case TCGETS: return query_terminal(ctx, *d, TCGETS, kernel_termios);
    case TIOCGWINSZ: return query_terminal(ctx, *d, TIOCGWINSZ, sizeof(winsize));
    case FIOCLEX: return ctx.process.descriptors.set_close_on_exec(int_arg(ctx, 0), true);
    case FIONCLEX: return ctx.process.descriptors.set_close_on_exec(int_arg(ctx, 0), false);
    case FIONBIO: {
      int on = 0;
      if (!load(ctx, ctx.args[2], on)) return -EFAULT;
      d->what->nonblocking = on != 0;
      return 0;
    }
    case FIOASYNC: {  // as F_SETOWN: named, and no SIGIO comes
      int on = 0;
      if (!load(ctx, ctx.args[2], on)) return -EFAULT;
      if (on != 0)
        (void)ctx.instance.deny("ioctl FIOASYNC", "ignored: signals for descriptors are not served", EPERM);
      return 0;
    }
    case FIONREAD: {
      int count = 0;
      if (!d->host) return -ENOTTY;
      if (::ioctl(d->host.get(), FIONREAD, &count) != 0) return -errno;
      return store(ctx, ctx.args[2], count) ? 0 : -EFAULT;
    }
    case IOCTL_VM_SOCKETS_GET_LOCAL_CID: {
      constexpr unsigned first_guest_cid = 3;
      if (d->what->kind != file_kind::device || d->what->guest_path != "/dev/vsock") return -ENOTTY;
      return store(ctx, ctx.args[2], first_guest_cid) ? 0 : -EFAULT;
    }
    case SIOCGIFINDEX:
    case SIOCGIFNAME:
    case SIOCGIFFLAGS:
    case SIOCGIFADDR:
      return d->what->kind == file_kind::socket ? ask_interface(ctx, unsigned_arg(ctx, 1)) : -ENOTTY;
    case SIOCATMARK:
      return d->what->kind == file_kind::socket ? (store(ctx, ctx.args[2], 0) ? 0 : -EFAULT) : -ENOTTY;
    case TIOCGPGRP:
    case TIOCGSID:  // how shells ask whether they have a terminal
      if (!d->host || ::isatty(d->host.get()) == 0) return -ENOTTY;
      break;
    default: break;
  }
  if (d->what->kind != file_kind::stream) return -ENOTTY;
  return ctx.instance.deny("ioctl " + std::to_string(unsigned_arg(ctx, 1)), "", ENOTTY);
}

std::int64_t sync_file(call_context& ctx, int (*how)(int)) {
  const auto d = descriptor_arg(ctx);
  if (!d || d->what->path_only) return -EBADF;
  if (d->what->kind != file_kind::regular && d->what->kind != file_kind::directory) return -EINVAL;
  return d->host ? host_result(how(d->host.get())) : 0;
}
std::int64_t sys_fsync(call_context& ctx) {
  return sync_file(ctx, ::fsync);
}
std::int64_t sys_fdatasync(call_context& ctx) {
  return sync_file(ctx, ::fdatasync);
}

// Growing a file makes a hole, which costs nothing until it is written; fallocate() takes the room at once.
std::int64_t sys_ftruncate(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d || d->what->path_only) return -EBADF;
  if (!d->what->writable || (d->what->kind != file_kind::regular && d->what->kind != file_kind::memory))
    return -EINVAL;
  const auto wanted = static_cast<off_t>(ctx.args[1]);
  const std::int64_t r = grow_file(ctx, d->what->quota.get(), file_size(d->host), wanted,
                                   [&] { return ::ftruncate(d->host.get(), wanted); });
  if (r == -EFBIG) eat_signal(SIGXFSZ);
  if (r == 0 && d->what->kind == file_kind::memory) (void)charge_memory_file(ctx, *d);
  return r;
}

std::int64_t sys_fallocate(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d || d->what->path_only || !d->what->writable) return -EBADF;
  if (d->what->kind != file_kind::regular) return d->what->kind == file_kind::directory ? -EISDIR : -ENODEV;
  const int mode = int_arg(ctx, 1);
  const auto offset = static_cast<off_t>(ctx.args[2]), size = static_cast<off_t>(ctx.args[3]);
  if (offset < 0 || size <= 0) return -EINVAL;
  if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) != 0) return -EOPNOTSUPP;
  const bool takes_room = (mode & FALLOC_FL_PUNCH_HOLE) == 0;
  const auto bytes = static_cast<std::uint64_t>(size);
  if (takes_room && d->what->counted && !ctx.instance.charge_written(bytes)) return -ENOSPC;
  off_t end = 0;
  if (__builtin_add_overflow(offset, size, &end)) end = offset;
  const std::int64_t r = grow_file(ctx, takes_room ? d->what->quota.get() : nullptr, file_size(d->host), end,
                                   [&] { return ::fallocate(d->host.get(), mode, offset, size); });
  if (r == -EFBIG) eat_signal(SIGXFSZ);
  if (r < 0 && takes_room && d->what->counted) ctx.instance.refund_written(bytes);
  return r;
}

std::int64_t sys_fadvise64(call_context& ctx) {
  return descriptor_arg(ctx) ? 0 : -EBADF;
}

constexpr syscall_entry files_entries[] = {
    {0, "read", call<sys_read>, capability::always, "fPl"},
    {1, "write", call<sys_write>, capability::always, "fpl"},
    {3, "close", call<sys_close>, capability::always, "f"},
    {8, "lseek", call<sys_lseek>, capability::always, "fii"},
    {16, "ioctl", call<sys_ioctl>, capability::always, "fuP"},
    {17, "pread64", call<at_offset<move_one, direction::in>>, capability::always, "fPll"},
    {18, "pwrite64", call<at_offset<move_one, direction::out>>, capability::always, "fpll"},
    {19, "readv", call<sys_readv>, capability::always, "fpl"},
    {20, "writev", call<sys_writev>, capability::always, "fpl"},
    {32, "dup", call<sys_dup>, capability::always, "f"},
    {33, "dup2", call<sys_dup2>, capability::always, "ff"},
    {72, "fcntl", call<sys_fcntl>, capability::always, "fiP"},
    {74, "fsync", call<sys_fsync>, capability::always, "f"},
    {75, "fdatasync", call<sys_fdatasync>, capability::always, "f"},
    {77, "ftruncate", call<sys_ftruncate>, capability::always, "fl"},
    {221, "fadvise64", call<sys_fadvise64>, capability::always, "flli"},
    {285, "fallocate", call<sys_fallocate>, capability::always, "fxll"},
    {292, "dup3", call<sys_dup3>, capability::always, "ffx"},
    {295, "preadv", call<at_offset<move_many, direction::in>>, capability::always, "fpll"},
    {296, "pwritev", call<at_offset<move_many, direction::out>>, capability::always, "fpll"},
    {327, "preadv2", call<vector2<direction::in>>, capability::always, "fplllx"},
    {328, "pwritev2", call<vector2<direction::out>>, capability::always, "fplllx"},
    {436, "close_range", call<sys_close_range>, capability::always, "uux"},
};

}  // namespace

extern const syscall_family files_family;
const syscall_family files_family{"files", files_entries};

}  // namespace osvm::unikernel
