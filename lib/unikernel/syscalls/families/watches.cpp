// inotify on what mounts reach, as the host has it: events name files by what the guest opened, never by host
// paths.
#include "unikernel/files/attributes.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <sys/inotify.h>

namespace osvm::unikernel {
namespace {

constexpr unsigned max_watches = 1024;  // of one descriptor

struct watch_count {
  unsigned made = 0;
};

std::int64_t make_inotify(call_context& ctx, int flags) {
  if ((flags & ~(IN_CLOEXEC | IN_NONBLOCK)) != 0) return -EINVAL;
  unique_fd host(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!host) return no_descriptor();
  auto what = std::make_shared<description>();
  what->kind = file_kind::watch;
  what->nonblocking = (flags & IN_NONBLOCK) != 0;
  what->writable = false;
  what->extra = std::make_shared<watch_count>();
  return install(ctx, std::move(what), std::move(host), (flags & IN_CLOEXEC) != 0);
}
std::int64_t sys_inotify_init(call_context& ctx) {
  return make_inotify(ctx, 0);
}
std::int64_t sys_inotify_init1(call_context& ctx) {
  return make_inotify(ctx, int_arg(ctx, 0));
}

std::int64_t sys_inotify_add_watch(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (d->what->kind != file_kind::watch) return -EINVAL;
  std::string path, base;
  if (const int r = load_path(ctx, ctx.args[1], path); r < 0) return r;
  if (const std::int64_t r = base_of(ctx, AT_FDCWD, path, base); r < 0) return r;
  const auto mask = unsigned_arg(ctx, 2);
  location at;
  const bool follow = (mask & IN_DONT_FOLLOW) == 0;
  if (const std::int64_t r = ctx.instance.files->find(ctx, base, path, follow, at); r < 0) return r;
  if (at.where == place::creatable) return -ENOENT;
  if (at.where != place::mounted) return deny_path(ctx, "inotify_add_watch", at.path);
  // -ENOSPC makes programs look again from time to time instead.
  if (at.node)
    return ctx.instance.deny("inotify_add_watch " + at.path, "never: the file is in memory", ENOSPC);
  if ((mask & IN_ONLYDIR) != 0 && !S_ISDIR(at.status.st_mode)) return -ENOTDIR;
  const std::lock_guard guard(d->what->lock);
  auto& count = *static_cast<watch_count*>(d->what->extra.get());
  if (count.made == max_watches) return -ENOSPC;
  // The name leads to exactly what was found: it follows the descriptor, not a path of the host.
  const std::int64_t r = host_result(
      ::inotify_add_watch(d->host.get(), self_path(at.object).c_str(), mask & ~unsigned{IN_DONT_FOLLOW}));
  if (r >= 0) ++count.made;
  return r;
}

std::int64_t sys_inotify_rm_watch(call_context& ctx) {
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (d->what->kind != file_kind::watch) return -EINVAL;
  const std::lock_guard guard(d->what->lock);
  const std::int64_t r = host_result(::inotify_rm_watch(d->host.get(), int_arg(ctx, 1)));
  auto& count = *static_cast<watch_count*>(d->what->extra.get());
  if (r == 0 && count.made != 0) --count.made;
  return r;
}

std::int64_t sys_fanotify_init(call_context& ctx) {
  return ctx.instance.deny("fanotify_init", "inotify is served", ENOSYS);
}

constexpr syscall_entry watches_entries[] = {
    {253, "inotify_init", call<sys_inotify_init>, capability::always, ""},
    {254, "inotify_add_watch", call<sys_inotify_add_watch>, capability::always, "fsx"},
    {255, "inotify_rm_watch", call<sys_inotify_rm_watch>, capability::always, "fi"},
    {294, "inotify_init1", call<sys_inotify_init1>, capability::always, "x"},
    {300, "fanotify_init", call<sys_fanotify_init>, capability::always, "xx"},
};

}  // namespace

extern const syscall_family watches_family;
const syscall_family watches_family{"watches", watches_entries};

}  // namespace osvm::unikernel
