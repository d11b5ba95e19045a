// Calls that change names and attributes of files below writable mounts.
#include "unikernel/files/attributes.hpp"
#include "unikernel/files/fifo.hpp"
#include "unikernel/files/transfer.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t name_charge = 4096;  // what a new directory or link costs the host's disk, roughly

std::int64_t load_parent(call_context& ctx, int dirfd, std::uint64_t va, parent_location& out) {
  std::string path, base;
  if (const int r = load_path(ctx, va, path); r < 0) return r;
  if (const std::int64_t r = base_of(ctx, dirfd, path, base); r < 0) return r;
  return ctx.instance.files->find_parent(ctx, base, path, out);
}

// Whether the path is one that the guest bound a socket to, below no writable mount.
bool names_socket(call_context& ctx, int dirfd, std::uint64_t va, location& at) {
  std::string path, base;
  return load_path(ctx, va, path) == 0 && base_of(ctx, dirfd, path, base) == 0 &&
         ctx.instance.files->find(ctx, base, path, false, at) == 0 && at.where == place::socket;
}

// Finds a file whose attributes may be changed: below a writable mount. -EROFS else, and a denial.
std::int64_t find_changeable(call_context& ctx, const char* call, int dirfd, std::uint64_t va, bool follow,
                             location& at) {
  std::string path, base;
  if (const int r = load_path(ctx, va, path); r < 0) return r;
  if (const std::int64_t r = base_of(ctx, dirfd, path, base); r < 0) return r;
  if (const std::int64_t r = ctx.instance.files->find(ctx, base, path, follow, at); r < 0) return r;
  if (at.where == place::nowhere) return deny_path(ctx, call, at.path);
  if (at.where == place::creatable) return -ENOENT;
  const bool writable = at.where == place::mounted && at.mount->writable;
  if (!writable && ctx.instance.rules.read_only_mounts)
    return ctx.instance.deny(std::string(call) + " " + at.path, "--rw HOST:" + at.path, EROFS);
  if (at.where != place::mounted) return -EROFS;
  note_use(ctx, at.path, at.object, file_use::writes, S_ISDIR(at.status.st_mode));
  return 0;
}

// Runs `make`, which adds a name, against the write budget.
template <class Make>
std::int64_t charged(call_context& ctx, const mount_point& where, Make make) {
  if (!ctx.instance.charge_written(name_charge, where.quota.get())) return -ENOSPC;
  const std::int64_t r = host_result(make());
  if (r < 0) ctx.instance.refund_written(name_charge, where.quota.get());
  return r;
}

// mkdir -p asks for each folder on its way, "/" and read-only ones included: what is there is -EEXIST before
// anything else is judged.
bool is_there(call_context& ctx, int dirfd, std::uint64_t va) {
  std::string path, base;
  location at;
  if (load_path(ctx, va, path) < 0 || base_of(ctx, dirfd, path, base) < 0) return false;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return ctx.instance.files->find(ctx, base, path, false, at) == 0 && at.where != place::nowhere &&
         at.where != place::creatable;
}

std::int64_t make_directory(call_context& ctx, int dirfd, std::uint64_t va, std::uint64_t mode) {
  if (is_there(ctx, dirfd, va)) return -EEXIST;
  parent_location p;
  if (const std::int64_t r = load_parent(ctx, dirfd, va, p); r < 0) return r;
  const auto bits = static_cast<mode_t>(mode & 01777 & ~ctx.process.umask.load());
  node_ptr made;
  if (p.folder) return p.mount->memory->create(p.folder, p.name, S_IFDIR | bits, {}, made);
  return charged(ctx, *p.mount, [&] { return ::mkdirat(p.directory.get(), p.name.c_str(), bits); });
}
std::int64_t sys_mkdir(call_context& ctx) {
  return make_directory(ctx, AT_FDCWD, ctx.args[0], ctx.args[1]);
}
std::int64_t sys_mkdirat(call_context& ctx) {
  return make_directory(ctx, int_arg(ctx, 0), ctx.args[1], ctx.args[2]);
}

std::int64_t remove_name(call_context& ctx, int dirfd, std::uint64_t va, int flags) {
  if ((flags & ~AT_REMOVEDIR) != 0) return -EINVAL;
  location socket;
  if (names_socket(ctx, dirfd, va, socket)) {
    if ((flags & AT_REMOVEDIR) != 0) return -ENOTDIR;
    return ctx.instance.network.names.remove_path(socket.path) ? 0 : -ENOENT;
  }
  parent_location p;
  if (const std::int64_t r = load_parent(ctx, dirfd, va, p); r < 0) return r;
  if (p.slash && (flags & AT_REMOVEDIR) == 0) return -ENOTDIR;
  if (p.folder) return p.mount->memory->remove(p.folder, p.name, flags != 0);
  const auto fifo = fifo_about_to_go(ctx, p);
  const std::int64_t r = host_result(::unlinkat(p.directory.get(), p.name.c_str(), flags));
  if (r == 0) ctx.instance.fifos.removed(fifo);
  return r;
}
std::int64_t sys_unlink(call_context& ctx) {
  return remove_name(ctx, AT_FDCWD, ctx.args[0], 0);
}
std::int64_t sys_rmdir(call_context& ctx) {
  return remove_name(ctx, AT_FDCWD, ctx.args[0], AT_REMOVEDIR);
}
std::int64_t sys_unlinkat(call_context& ctx) {
  return remove_name(ctx, int_arg(ctx, 0), ctx.args[1], int_arg(ctx, 2));
}

std::int64_t rename_between(call_context& ctx, int from_fd, std::uint64_t from_va, int to_fd,
                            std::uint64_t to_va, unsigned flags) {
  if ((flags & ~unsigned{RENAME_NOREPLACE | RENAME_EXCHANGE}) != 0) return -EINVAL;
  parent_location from, to;
  if (const std::int64_t r = load_parent(ctx, from_fd, from_va, from); r < 0) return r;
  if (const std::int64_t r = load_parent(ctx, to_fd, to_va, to); r < 0) return r;
  if (from.mount != to.mount) return -EXDEV;
  if (from.folder) return from.mount->memory->rename(from.folder, from.name, to.folder, to.name, flags);
  return host_result(::syscall(SYS_renameat2, from.directory.get(), from.name.c_str(), to.directory.get(),
                               to.name.c_str(), flags));
}
std::int64_t sys_rename(call_context& ctx) {
  return rename_between(ctx, AT_FDCWD, ctx.args[0], AT_FDCWD, ctx.args[1], 0);
}
std::int64_t sys_renameat(call_context& ctx) {
  return rename_between(ctx, int_arg(ctx, 0), ctx.args[1], int_arg(ctx, 2), ctx.args[3], 0);
}
std::int64_t sys_renameat2(call_context& ctx) {
  return rename_between(ctx, int_arg(ctx, 0), ctx.args[1], int_arg(ctx, 2), ctx.args[3],
                        unsigned_arg(ctx, 4));
}

std::int64_t link_between(call_context& ctx, int from_fd, std::uint64_t from_va, int to_fd,
                          std::uint64_t to_va, bool follow) {
  location from;
  parent_location to;
  if (const auto r = find_changeable(ctx, "link", from_fd, from_va, follow, from); r < 0) return r;
  if (const auto r = load_parent(ctx, to_fd, to_va, to); r < 0) return r;
  if (from.mount != to.mount) return -EXDEV;
  if (from.node) return to.mount->memory->link(from.node, to.folder, to.name);
  if (!S_ISREG(from.status.st_mode)) return -EPERM;
  return charged(ctx, *to.mount, [&] {
    return ::linkat(AT_FDCWD, self_path(from.object).c_str(), to.directory.get(), to.name.c_str(),
                    AT_SYMLINK_FOLLOW);
  });
}
std::int64_t sys_link(call_context& ctx) {
  return link_between(ctx, AT_FDCWD, ctx.args[0], AT_FDCWD, ctx.args[1], false);
}
std::int64_t sys_linkat(call_context& ctx) {
  if ((int_arg(ctx, 4) & ~AT_SYMLINK_FOLLOW) != 0) return -EINVAL;
  return link_between(ctx, int_arg(ctx, 0), ctx.args[1], int_arg(ctx, 2), ctx.args[3],
                      (int_arg(ctx, 4) & AT_SYMLINK_FOLLOW) != 0);
}

// Whether a link leads nowhere but down, so that programs of the host may follow it. Counting how far ".."
// climbs is not enough: a link in the way, or a later rename of the link or of a folder above it, changes
// what it climbs from.
bool leads_down(std::string_view target) {
  if (target.starts_with('/')) return false;
  while (!target.empty()) {
    const std::size_t slash = std::min(target.find('/'), target.size());
    if (target.substr(0, slash) == "..") return false;
    target.remove_prefix(std::min(slash + 1, target.size()));
  }
  return true;
}

std::int64_t make_symlink(call_context& ctx, std::uint64_t target_va, int dirfd, std::uint64_t va) {
  std::string target;
  if (const int r = load_path(ctx, target_va, target); r < 0) return r;
  if (target.empty()) return -ENOENT;
  parent_location p;
  if (const std::int64_t r = load_parent(ctx, dirfd, va, p); r < 0) return r;
  node_ptr made;
  if (p.folder)  // only this guest ever follows it
    return p.mount->memory->create(p.folder, p.name, S_IFLNK | 0777, std::move(target), made);
  if (!leads_down(target) && ctx.instance.rules.beneath)
    return ctx.instance.deny("symlink to " + target, "never granted: a link in a mount leads down only",
                             EPERM);
  return charged(ctx, *p.mount,
                 [&] { return ::symlinkat(target.c_str(), p.directory.get(), p.name.c_str()); });
}
std::int64_t sys_symlink(call_context& ctx) {
  return make_symlink(ctx, ctx.args[0], AT_FDCWD, ctx.args[1]);
}
std::int64_t sys_symlinkat(call_context& ctx) {
  return make_symlink(ctx, ctx.args[0], int_arg(ctx, 1), ctx.args[2]);
}

// In memory: as ftruncate() on a descriptor of its own.
std::int64_t truncate_node(call_context& ctx, const location& at, off_t size) {
  if (size < 0) return -EINVAL;
  opened_node opened;
  std::string broken;
  const int flags = size == 0 ? O_WRONLY | O_TRUNC : O_WRONLY;
  if (const auto r = at.mount->memory->open(at.node, flags, opened, broken); r < 0) return r;
  return grow_file(ctx, at.mount->quota.get(), file_size(opened.host), size,
                   [&] { return ::ftruncate(opened.host.get(), size); });
}

std::int64_t sys_truncate(call_context& ctx) {
  location at;
  if (const auto r = find_changeable(ctx, "truncate", AT_FDCWD, ctx.args[0], true, at); r < 0) return r;
  if (!S_ISREG(at.status.st_mode)) return S_ISDIR(at.status.st_mode) ? -EISDIR : -EINVAL;
  if (at.node) return truncate_node(ctx, at, static_cast<off_t>(ctx.args[1]));
  const std::int64_t r =
      grow_file(ctx, at.mount->quota.get(), at.status.st_size, static_cast<off_t>(ctx.args[1]),
                [&] { return ::truncate(self_path(at.object).c_str(), static_cast<off_t>(ctx.args[1])); });
  if (r == -EFBIG) eat_signal(SIGXFSZ);
  return r;
}

// The VMM may be root: a set-user-ID file that a guest makes would be a way back to the host.
std::int64_t check_mode(call_context& ctx, std::uint64_t mode) {
  if ((mode & (S_ISUID | S_ISGID)) == 0) return 0;
  return ctx.instance.deny("chmod with a set-ID bit", "never granted", EPERM);
}
// A socket that this guest has bound, in a folder of the host: no other one's mode is its to set.
bool own_socket(call_context& ctx, const location& at) {
  return S_ISSOCK(at.status.st_mode) &&
         ctx.instance.network.names.find_inode(at.status.st_dev, at.status.st_ino) != nullptr;
}
std::int64_t change_mode(call_context& ctx, int dirfd, std::uint64_t va, std::uint64_t mode) {
  if (const auto r = check_mode(ctx, mode); r < 0) return r;
  location at;
  if (names_socket(ctx, dirfd, va, at)) return 0;
  if (const auto r = find_changeable(ctx, "chmod", dirfd, va, true, at); r < 0) return r;
  if (!has_attributes(at.status.st_mode) && !own_socket(ctx, at)) return -EPERM;
  if (at.node) return at.mount->memory->set_mode(at.node, static_cast<mode_t>(mode)), 0;
  return host_result(::chmod(self_path(at.object).c_str(), static_cast<mode_t>(mode & 01777)));
}
std::int64_t sys_chmod(call_context& ctx) {
  return change_mode(ctx, AT_FDCWD, ctx.args[0], ctx.args[1]);
}
std::int64_t sys_fchmodat(call_context& ctx) {
  return change_mode(ctx, int_arg(ctx, 0), ctx.args[1], ctx.args[2]);
}
std::int64_t sys_fchmod(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d || d->what->path_only) return -EBADF;
  if (const auto r = check_mode(ctx, ctx.args[1]); r < 0) return r;
  if (d->what->kind == file_kind::socket) return 0;  // its file, where there is one, was made with its mode
  if (!d->what->changeable) return -EROFS;
  if (d->what->node) return d->what->memory->set_mode(d->what->node, static_cast<mode_t>(ctx.args[1])), 0;
  return host_result(::fchmod(d->host.get(), static_cast<mode_t>(ctx.args[1] & 01777)));
}

// Everything belongs to the guest's one virtual user already; to others nothing can be given.
std::int64_t check_owner(std::uint64_t user, std::uint64_t group) {
  constexpr unsigned unchanged = ~0U;
  const auto u = static_cast<unsigned>(user), g = static_cast<unsigned>(group);
  return (u == unchanged || u == guest_uid) && (g == unchanged || g == guest_gid) ? 0 : -EPERM;
}
std::int64_t change_owner(call_context& ctx, int dirfd, std::uint64_t va, std::uint64_t user,
                          std::uint64_t group) {
  location at;
  if (names_socket(ctx, dirfd, va, at)) return check_owner(user, group);
  if (const auto r = find_changeable(ctx, "chown", dirfd, va, true, at); r < 0) return r;
  return check_owner(user, group);
}
std::int64_t sys_chown(call_context& ctx) {
  return change_owner(ctx, AT_FDCWD, ctx.args[0], ctx.args[1], ctx.args[2]);
}
std::int64_t sys_fchownat(call_context& ctx) {
  return change_owner(ctx, int_arg(ctx, 0), ctx.args[1], ctx.args[2], ctx.args[3]);
}
std::int64_t sys_fchown(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d || d->what->path_only) return -EBADF;
  return d->what->changeable ? check_owner(ctx.args[1], ctx.args[2]) : -EROFS;
}

std::int64_t sys_utimensat(call_context& ctx) {
  constexpr timespec now{0, UTIME_NOW};
  std::array<timespec, 2> times{now, now};
  if (ctx.args[2] != 0 && !load(ctx, ctx.args[2], times)) return -EFAULT;
  if ((int_arg(ctx, 3) & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) return -EINVAL;
  if (ctx.args[1] == 0) {
    const auto d = descriptor_arg(ctx);
    if (!d || d->what->path_only) return -EBADF;
    if (d->what->node && d->what->changeable) return d->what->memory->set_times(d->what->node, times), 0;
    return d->what->changeable ? host_result(::futimens(d->host.get(), times.data())) : -EROFS;
  }
  location at;
  const bool follow = (int_arg(ctx, 3) & AT_SYMLINK_NOFOLLOW) == 0;
  if (const auto r = find_changeable(ctx, "utimensat", int_arg(ctx, 0), ctx.args[1], follow, at); r < 0)
    return r;
  const bool link = S_ISLNK(at.status.st_mode);
  if (!has_attributes(at.status.st_mode) && !link) return -EPERM;
  if (at.node) return at.mount->memory->set_times(at.node, times), 0;
  // An O_PATH descriptor is the link itself; a name of it might be followed.
  if (link) return host_result(::utimensat(at.object.get(), "", times.data(), AT_EMPTY_PATH));
  return host_result(::utimensat(AT_FDCWD, self_path(at.object).c_str(), times.data(), 0));
}

constexpr syscall_entry changes_entries[] = {
    {76, "truncate", call<sys_truncate>, capability::always, "sl"},
    {82, "rename", call<sys_rename>, capability::always, "ss"},
    {83, "mkdir", call<sys_mkdir>, capability::always, "su"},
    {84, "rmdir", call<sys_rmdir>, capability::always, "s"},
    {86, "link", call<sys_link>, capability::always, "ss"},
    {87, "unlink", call<sys_unlink>, capability::always, "s"},
    {88, "symlink", call<sys_symlink>, capability::always, "ss"},
    {90, "chmod", call<sys_chmod>, capability::always, "su"},
    {91, "fchmod", call<sys_fchmod>, capability::always, "fu"},
    {92, "chown", call<sys_chown>, capability::always, "suu"},
    {93, "fchown", call<sys_fchown>, capability::always, "fuu"},
    {94, "lchown", call<sys_chown>, capability::always, "suu"},
    {258, "mkdirat", call<sys_mkdirat>, capability::always, "fsu"},
    {260, "fchownat", call<sys_fchownat>, capability::always, "fsuux"},
    {263, "unlinkat", call<sys_unlinkat>, capability::always, "fsx"},
    {264, "renameat", call<sys_renameat>, capability::always, "fsfs"},
    {265, "linkat", call<sys_linkat>, capability::always, "fsfsx"},
    {266, "symlinkat", call<sys_symlinkat>, capability::always, "sfs"},
    {268, "fchmodat", call<sys_fchmodat>, capability::always, "fsu"},
    {280, "utimensat", call<sys_utimensat>, capability::always, "fspx"},
    {316, "renameat2", call<sys_renameat2>, capability::always, "fsfsx"},
};

}  // namespace

extern const syscall_family changes_family;
const syscall_family changes_family{"changes", changes_entries};

}  // namespace osvm::unikernel
