// Older forms of calls on names, and nodes that are no files.
#include "unikernel/files/attributes.hpp"
#include "unikernel/files/fifo.hpp"
#include "unikernel/files/open.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <utime.h>

#include <array>

namespace osvm::unikernel {
namespace {

std::int64_t make_named_pipe(call_context& ctx, const std::string& base, const std::string& path,
                             std::uint64_t mode) {
  location there;
  if (const std::int64_t r = ctx.instance.files->find(ctx, base, path, false, there); r < 0) return r;
  if (there.where != place::nowhere && there.where != place::creatable) return -EEXIST;
  parent_location p;
  if (const std::int64_t r = ctx.instance.files->find_parent(ctx, base, path, p); r < 0) return r;
  return make_fifo(ctx, p, static_cast<mode_t>(mode & 0777 & ~ctx.process.umask.load()));
}

std::int64_t make_node(call_context& ctx, int dirfd, std::uint64_t va, std::uint64_t mode) {
  const auto type = static_cast<unsigned>(mode) & S_IFMT;
  std::string path, base;
  if (const int r = load_path(ctx, va, path); r < 0) return r;
  if (const std::int64_t r = base_of(ctx, dirfd, path, base); r < 0) return r;
  if (type == S_IFIFO) return make_named_pipe(ctx, base, path, mode);
  if (type != 0 && type != S_IFREG)
    return ctx.instance.deny("mknod " + path, "regular files, directories and FIFOs only", EPERM);
  const std::int64_t fd = open_path(ctx, {.base = base,
                                          .path = path,
                                          .flags = O_CREAT | O_EXCL | O_WRONLY,
                                          .mode = static_cast<unsigned>(mode),
                                          .call = "mknod"});
  if (fd < 0) return fd;
  (void)ctx.process.descriptors.remove(static_cast<int>(fd));
  return 0;
}
std::int64_t sys_mknod(call_context& ctx) {
  return make_node(ctx, AT_FDCWD, ctx.args[0], ctx.args[1]);
}
std::int64_t sys_mknodat(call_context& ctx) {
  return make_node(ctx, int_arg(ctx, 0), ctx.args[1], ctx.args[2]);
}

std::int64_t set_times(call_context& ctx, int dirfd, std::uint64_t va, const std::array<timespec, 2>& times) {
  std::string path, base;
  if (const int r = load_path(ctx, va, path); r < 0) return r;
  if (const std::int64_t r = base_of(ctx, dirfd, path, base); r < 0) return r;
  location at;
  if (const std::int64_t r = ctx.instance.files->find(ctx, base, path, true, at); r < 0) return r;
  if (at.where == place::nowhere) return deny_path(ctx, "utime", at.path);
  if (at.where == place::creatable) return -ENOENT;
  if (at.where != place::mounted || !at.mount->writable) return -EROFS;
  if (!has_attributes(at.status.st_mode)) return -EPERM;
  if (at.node) return at.mount->memory->set_times(at.node, times), 0;
  return host_result(::utimensat(AT_FDCWD, self_path(at.object).c_str(), times.data(), 0));
}

constexpr timespec now{0, UTIME_NOW};

std::int64_t sys_utime(call_context& ctx) {
  utimbuf t{};
  if (ctx.args[1] && !load(ctx, ctx.args[1], t)) return -EFAULT;
  return set_times(ctx, AT_FDCWD, ctx.args[0],
                   ctx.args[1] ? std::array<timespec, 2>{{{t.actime, 0}, {t.modtime, 0}}}
                               : std::array<timespec, 2>{now, now});
}

std::int64_t utimes(call_context& ctx, int dirfd, std::uint64_t path, std::uint64_t from) {
  std::array<timeval, 2> t{};
  if (from == 0) return set_times(ctx, dirfd, path, {now, now});
  if (!load(ctx, from, t)) return -EFAULT;
  std::array<timespec, 2> times{};
  for (std::size_t i = 0; i < 2; ++i) {
    if (t[i].tv_usec < 0 || t[i].tv_usec >= 1'000'000) return -EINVAL;
    times[i] = {t[i].tv_sec, t[i].tv_usec * 1000};
  }
  return set_times(ctx, dirfd, path, times);
}
std::int64_t sys_utimes(call_context& ctx) {
  return utimes(ctx, AT_FDCWD, ctx.args[0], ctx.args[1]);
}
std::int64_t sys_futimesat(call_context& ctx) {
  return utimes(ctx, int_arg(ctx, 0), ctx.args[1], ctx.args[2]);
}

constexpr syscall_entry names_entries[] = {
    {132, "utime", call<sys_utime>, capability::always, "sp"},
    {133, "mknod", call<sys_mknod>, capability::always, "suu"},
    {235, "utimes", call<sys_utimes>, capability::always, "sp"},
    {259, "mknodat", call<sys_mknodat>, capability::always, "fsuu"},
    {261, "futimesat", call<sys_futimesat>, capability::always, "fsp"},
};

}  // namespace

extern const syscall_family names_family;
const syscall_family names_family{"names", names_entries};

}  // namespace osvm::unikernel
