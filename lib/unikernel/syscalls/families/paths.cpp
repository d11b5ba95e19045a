// Calls that name files: opening, asking, listing. What changes names is in changes.cpp.
#include "unikernel/files/attributes.hpp"
#include "unikernel/files/open.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace osvm::unikernel {
namespace {

// A path argument with the directory that it starts from.
struct named {
  std::string base, path;
};

std::int64_t load_named(call_context& ctx, int dirfd, std::uint64_t va, named& out) {
  if (const int r = load_path(ctx, va, out.path); r < 0) return r;
  return base_of(ctx, dirfd, out.path, out.base);
}

std::int64_t open_at(call_context& ctx, const char* call, int dirfd, std::uint64_t va, std::uint64_t flags,
                     std::uint64_t mode) {
  named n;
  if (const std::int64_t r = load_named(ctx, dirfd, va, n); r < 0) return r;
  return open_path(ctx, {.base = n.base,
                         .path = n.path,
                         .flags = static_cast<int>(flags),
                         .mode = static_cast<unsigned>(mode),
                         .call = call});
}

std::int64_t sys_open(call_context& ctx) {
  return open_at(ctx, "open", AT_FDCWD, ctx.args[0], ctx.args[1], ctx.args[2]);
}
std::int64_t sys_openat(call_context& ctx) {
  return open_at(ctx, "openat", int_arg(ctx, 0), ctx.args[1], ctx.args[2], ctx.args[3]);
}
std::int64_t sys_creat(call_context& ctx) {
  return open_at(ctx, "creat", AT_FDCWD, ctx.args[0], O_CREAT | O_WRONLY | O_TRUNC, ctx.args[1]);
}

// Finds what must exist. Missing: -ENOENT, and a denial where no mount reaches it.
std::int64_t find_existing(call_context& ctx, const char* call, const named& n, bool follow, location& at) {
  if (const std::int64_t r = ctx.instance.files->find(ctx, n.base, n.path, follow, at); r < 0) return r;
  if (at.where == place::nowhere) return deny_path(ctx, call, at.path);
  return at.where == place::creatable ? -ENOENT : 0;
}

std::int64_t stat_named(call_context& ctx, const char* call, int dirfd, std::uint64_t va, int flags,
                        struct stat& out) {
  named n;
  if ((flags & AT_EMPTY_PATH) != 0 && va == 0) {  // newer C libraries pass NULL
    n.base = "/";
  } else if (const std::int64_t r = load_named(ctx, dirfd, va, n); r < 0) {
    return r;
  }
  if (n.path.empty() && (flags & AT_EMPTY_PATH) != 0 && dirfd != AT_FDCWD) {
    const auto d = ctx.process.descriptors.get(dirfd);
    return d ? attributes_of(*d, out) : -EBADF;
  }
  if (n.path.empty() && (flags & AT_EMPTY_PATH) != 0) n.path = ".";
  location at;
  const bool follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  if (const std::int64_t r = find_existing(ctx, call, n, follow, at); r < 0) return r;
  return attributes_of(ctx, at, out);
}

std::int64_t stat_to(call_context& ctx, const char* call, int dirfd, std::uint64_t va, int flags,
                     std::uint64_t to) {
  struct stat st {};
  if (const std::int64_t r = stat_named(ctx, call, dirfd, va, flags, st); r < 0) return r;
  return store(ctx, to, st) ? 0 : -EFAULT;
}

std::int64_t sys_stat(call_context& ctx) {
  return stat_to(ctx, "stat", AT_FDCWD, ctx.args[0], 0, ctx.args[1]);
}
std::int64_t sys_lstat(call_context& ctx) {
  return stat_to(ctx, "lstat", AT_FDCWD, ctx.args[0], AT_SYMLINK_NOFOLLOW, ctx.args[1]);
}
std::int64_t sys_newfstatat(call_context& ctx) {
  constexpr int known = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if ((int_arg(ctx, 3) & ~known) != 0) return -EINVAL;
  return stat_to(ctx, "newfstatat", int_arg(ctx, 0), ctx.args[1], int_arg(ctx, 3), ctx.args[2]);
}
std::int64_t sys_fstat(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  struct stat st {};
  if (const std::int64_t r = attributes_of(*d, st); r < 0) return r;
  return store(ctx, ctx.args[1], st) ? 0 : -EFAULT;
}

statx_timestamp timestamp(const timespec& t) {
  statx_timestamp out{};
  out.tv_sec = t.tv_sec;
  out.tv_nsec = static_cast<std::uint32_t>(t.tv_nsec);
  return out;
}

std::int64_t sys_statx(call_context& ctx) {
  constexpr int known = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE;
  if ((int_arg(ctx, 2) & ~known) != 0) return -EINVAL;
  struct stat st {};
  if (const auto r = stat_named(ctx, "statx", int_arg(ctx, 0), ctx.args[1], int_arg(ctx, 2), st); r < 0)
    return r;
  struct statx x {};
  x.stx_mask = STATX_BASIC_STATS;
  x.stx_blksize = static_cast<std::uint32_t>(st.st_blksize);
  x.stx_nlink = static_cast<std::uint32_t>(st.st_nlink);
  x.stx_uid = st.st_uid;
  x.stx_gid = st.st_gid;
  x.stx_mode = static_cast<std::uint16_t>(st.st_mode);
  x.stx_ino = st.st_ino;
  x.stx_size = static_cast<std::uint64_t>(st.st_size);
  x.stx_blocks = static_cast<std::uint64_t>(st.st_blocks);
  x.stx_atime = timestamp(st.st_atim);
  x.stx_ctime = timestamp(st.st_ctim);
  x.stx_mtime = timestamp(st.st_mtim);
  x.stx_rdev_major = major(st.st_rdev);
  x.stx_rdev_minor = minor(st.st_rdev);
  x.stx_dev_major = major(st.st_dev);
  x.stx_dev_minor = minor(st.st_dev);
  return store(ctx, ctx.args[4], x) ? 0 : -EFAULT;
}

std::int64_t access_at(call_context& ctx, const char* call, int dirfd, std::uint64_t va, int mode,
                       int flags) {
  if ((mode & ~(R_OK | W_OK | X_OK)) != 0) return -EINVAL;
  if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) return -EINVAL;
  named n;
  if (const std::int64_t r = load_named(ctx, dirfd, va, n); r < 0) return r;
  if (n.path.empty() && (flags & AT_EMPTY_PATH) != 0) return ctx.process.descriptors.get(dirfd) ? 0 : -EBADF;
  location at;
  if (const std::int64_t r = find_existing(ctx, call, n, (flags & AT_SYMLINK_NOFOLLOW) == 0, at); r < 0)
    return r;
  if (at.where == place::synthetic_directory) return (mode & W_OK) != 0 ? -EROFS : 0;
  if (at.where != place::mounted) return (mode & X_OK) != 0 ? -EACCES : 0;
  if ((mode & W_OK) != 0 && !at.mount->writable) return -EROFS;
  if (at.node) return (mode & X_OK) == 0 || (at.status.st_mode & 0111) != 0 ? 0 : -EACCES;
  // The embedder's rights decide, as they will at open(); execution as the mode says.
  if (::faccessat(AT_FDCWD, self_path(at.object).c_str(), mode, AT_EACCESS) != 0) return -errno;
  return 0;
}
std::int64_t sys_access(call_context& ctx) {
  return access_at(ctx, "access", AT_FDCWD, ctx.args[0], int_arg(ctx, 1), 0);
}
std::int64_t sys_faccessat(call_context& ctx) {
  return access_at(ctx, "faccessat", int_arg(ctx, 0), ctx.args[1], int_arg(ctx, 2), 0);
}
std::int64_t sys_faccessat2(call_context& ctx) {
  return access_at(ctx, "faccessat2", int_arg(ctx, 0), ctx.args[1], int_arg(ctx, 2), int_arg(ctx, 3));
}

// The text of /proc/self/fd/N: a path, or what Linux prints for things without one.
std::string descriptor_name(const descriptor& d) {
  if (!d.what->guest_path.empty()) return d.what->guest_path;
  switch (d.what->kind) {
    case file_kind::socket: return "socket:[1]";
    case file_kind::epoll: return "anon_inode:[eventpoll]";
    case file_kind::eventfd: return "anon_inode:[eventfd]";
    case file_kind::timerfd: return "anon_inode:[timerfd]";
    case file_kind::watch: return "anon_inode:inotify";
    case file_kind::null: return "/dev/null";
    default: return "pipe:[1]";
  }
}

std::int64_t readlink_at(call_context& ctx, const char* call, int dirfd, std::uint64_t va, std::uint64_t to,
                         std::uint64_t size) {
  if (static_cast<int>(size) <= 0) return -EINVAL;
  named n;
  if (const std::int64_t r = load_named(ctx, dirfd, va, n); r < 0) return r;
  location at;
  if (const std::int64_t r = find_existing(ctx, call, n, false, at); r < 0) return r;
  std::string target;
  if (at.node && S_ISLNK(at.status.st_mode)) {
    target = overlay::target(at.node);
  } else if (at.where == place::mounted && S_ISLNK(at.status.st_mode)) {
    target.resize(max_path);
    const ssize_t r = ::readlinkat(at.object.get(), "", target.data(), target.size());
    if (r < 0) return -errno;
    target.resize(static_cast<std::size_t>(r));
  } else if (at.where != place::synthetic_link) {
    return -EINVAL;
  } else if (at.file->kind == synthetic_kind::link) {
    target = at.file->content(ctx);
  } else {
    const auto d = ctx.process.descriptors.get(descriptor_number(at.path));
    if (!d) return -ENOENT;
    target = descriptor_name(*d);
  }
  const std::size_t length = std::min<std::size_t>(target.size(), size);
  if (!memory_access(ctx.memory).write(to, target.data(), length)) return -EFAULT;
  return static_cast<std::int64_t>(length);
}
std::int64_t sys_readlink(call_context& ctx) {
  return readlink_at(ctx, "readlink", AT_FDCWD, ctx.args[0], ctx.args[1], ctx.args[2]);
}
std::int64_t sys_readlinkat(call_context& ctx) {
  return readlink_at(ctx, "readlinkat", int_arg(ctx, 0), ctx.args[1], ctx.args[2], ctx.args[3]);
}

// struct linux_dirent64: inode, next position, record length, type, name.
constexpr std::size_t entry_header = 19;

std::uint8_t entry_type(const location& at) {
  if (at.where == place::synthetic_directory) return DT_DIR;
  if (at.where == place::synthetic_link) return DT_LNK;
  if (at.where == place::socket) return DT_SOCK;
  if (at.where != place::mounted) return DT_UNKNOWN;
  return static_cast<std::uint8_t>(IFTODT(at.status.st_mode));
}

// A directory that is not the host's: its names as they were when it was opened (or rewound), less what is
// gone.
std::int64_t list_synthetic(call_context& ctx, description& what, std::size_t size, std::string& out) {
  std::lock_guard guard(what.lock);
  auto& listing = *static_cast<directory_listing*>(what.extra.get());
  while (listing.position < listing.names.size()) {
    const std::string& name = listing.names[listing.position];
    const std::size_t length = (entry_header + name.size() + 1 + 7) & ~std::size_t{7};
    if (out.size() + length > size) return out.empty() ? -EINVAL : 0;
    std::string record(length, '\0');
    const std::uint64_t next = ++listing.position;
    const auto short_length = static_cast<std::uint16_t>(length);
    location at;
    const bool known = ctx.instance.files->find(ctx, what.guest_path, name, false, at) == 0;
    if (known && at.where == place::creatable) continue;
    const std::uint64_t inode = known && at.where == place::mounted ? at.status.st_ino : 1;
    std::memcpy(record.data(), &inode, 8);
    std::memcpy(record.data() + 8, &next, 8);
    std::memcpy(record.data() + 16, &short_length, 2);
    record[18] = static_cast<char>(known ? entry_type(at) : std::uint8_t{DT_UNKNOWN});
    std::memcpy(record.data() + entry_header, name.data(), name.size());
    out += record;
  }
  return 0;
}

std::int64_t sys_getdents64(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d || d->what->path_only) return -EBADF;
  if (d->what->kind != file_kind::directory) return -ENOTDIR;
  constexpr std::size_t most = 32 << 10;
  const std::size_t size = std::min<std::size_t>(unsigned_arg(ctx, 2), most);
  std::string records;
  if (!d->host) {
    if (const std::int64_t r = list_synthetic(ctx, *d->what, size, records); r < 0) return r;
  } else {
    records.resize(size);
    const long r = ::syscall(SYS_getdents64, d->host.get(), records.data(), size);
    if (r < 0) return -errno;
    records.resize(static_cast<std::size_t>(r));
  }
  if (!memory_access(ctx.memory).write(ctx.args[1], records.data(), records.size())) return -EFAULT;
  return static_cast<std::int64_t>(records.size());
}

std::int64_t sys_getcwd(call_context& ctx) {
  std::string path;
  {
    std::lock_guard guard(ctx.process.cwd_lock);
    path = ctx.process.working_directory;
  }
  if (path.size() + 1 > ctx.args[1]) return -ERANGE;
  if (!memory_access(ctx.memory).write(ctx.args[0], path.c_str(), path.size() + 1)) return -EFAULT;
  return static_cast<std::int64_t>(path.size() + 1);
}

std::int64_t change_directory(call_context& ctx, std::string path) {
  std::lock_guard guard(ctx.process.cwd_lock);
  ctx.process.working_directory = std::move(path);
  return 0;
}
std::int64_t sys_chdir(call_context& ctx) {
  named n;
  if (const std::int64_t r = load_named(ctx, AT_FDCWD, ctx.args[0], n); r < 0) return r;
  location at;
  if (const std::int64_t r = find_existing(ctx, "chdir", n, true, at); r < 0) return r;
  const bool directory =
      at.where == place::synthetic_directory || (at.where == place::mounted && S_ISDIR(at.status.st_mode));
  return directory ? change_directory(ctx, at.path) : -ENOTDIR;
}
std::int64_t sys_fchdir(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  return d->what->kind == file_kind::directory ? change_directory(ctx, d->what->guest_path) : -ENOTDIR;
}

std::int64_t store_statfs(call_context& ctx, const unique_fd& host, const quota_account* quota,
                          std::uint64_t to) {
  struct statfs fs {};
  if (host && ::fstatfs(host.get(), &fs) != 0) return -errno;
  if (!host) {
    constexpr long tmpfs_magic = 0x01021994;
    fs.f_type = tmpfs_magic;
    fs.f_bsize = fs.f_frsize = 4096;
    fs.f_namelen = 255;
    fs.f_blocks = quota ? quota->limit() / 4096 : 0;
    fs.f_bfree = fs.f_bavail = quota ? fs.f_blocks - std::min(fs.f_blocks, quota->used() / 4096) : 0;
  }
  return store(ctx, to, fs) ? 0 : -EFAULT;
}
std::int64_t sys_statfs(call_context& ctx) {
  named n;
  if (const std::int64_t r = load_named(ctx, AT_FDCWD, ctx.args[0], n); r < 0) return r;
  location at;
  if (const std::int64_t r = find_existing(ctx, "statfs", n, true, at); r < 0) return r;
  return store_statfs(ctx, at.node ? unique_fd() : at.object.duplicate(),
                      at.node ? at.mount->quota.get() : nullptr, ctx.args[1]);
}
std::int64_t sys_fstatfs(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (d->what->node) return store_statfs(ctx, {}, d->what->quota.get(), ctx.args[1]);
  return store_statfs(ctx, d->host, nullptr, ctx.args[1]);
}

constexpr syscall_entry paths_entries[] = {
    {2, "open", call<sys_open>, capability::always, "sxu"},
    {4, "stat", call<sys_stat>, capability::always, "sP"},
    {5, "fstat", call<sys_fstat>, capability::always, "fP"},
    {6, "lstat", call<sys_lstat>, capability::always, "sP"},
    {21, "access", call<sys_access>, capability::always, "si"},
    {79, "getcwd", call<sys_getcwd>, capability::always, "Pl"},
    {80, "chdir", call<sys_chdir>, capability::always, "s"},
    {81, "fchdir", call<sys_fchdir>, capability::always, "f"},
    {85, "creat", call<sys_creat>, capability::always, "su"},
    {89, "readlink", call<sys_readlink>, capability::always, "sPl"},
    {137, "statfs", call<sys_statfs>, capability::always, "sP"},
    {138, "fstatfs", call<sys_fstatfs>, capability::always, "fP"},
    {217, "getdents64", call<sys_getdents64>, capability::always, "fPl"},
    {257, "openat", call<sys_openat>, capability::always, "fsxu"},
    {262, "newfstatat", call<sys_newfstatat>, capability::always, "fsPx"},
    {267, "readlinkat", call<sys_readlinkat>, capability::always, "fsPl"},
    {269, "faccessat", call<sys_faccessat>, capability::always, "fsi"},
    {332, "statx", call<sys_statx>, capability::always, "fsxuP"},
    {439, "faccessat2", call<sys_faccessat2>, capability::always, "fsix"},
};

}  // namespace

extern const syscall_family paths_family;
const syscall_family paths_family{"paths", paths_entries};

}  // namespace osvm::unikernel
