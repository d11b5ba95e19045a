// A file is looked at before it is opened: an O_PATH descriptor first, then its type, then the real open
// through /proc/self/fd, which names exactly the object that was looked at. So a device below a mount is
// never opened, and a FIFO only as the instance's own pipe (fifo.hpp).
#include "unikernel/files/open.hpp"

#include "unikernel/files/attributes.hpp"
#include "unikernel/files/fifo.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <set>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t create_charge = 4096;  // what an empty file costs the host's disk, roughly

bool wants_write(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

std::shared_ptr<description> describe(const open_request& request, file_kind kind, std::string path) {
  auto what = std::make_shared<description>();
  what->kind = kind;
  what->guest_path = std::move(path);
  what->readable = (request.flags & O_ACCMODE) != O_WRONLY;
  what->writable = (request.flags & O_ACCMODE) != O_RDONLY;
  what->append = (request.flags & O_APPEND) != 0;
  what->nonblocking = (request.flags & O_NONBLOCK) != 0;
  what->path_only = (request.flags & O_PATH) != 0;
  return what;
}

std::int64_t install_opened(call_context& ctx, const open_request& request, std::shared_ptr<description> what,
                            unique_fd host) {
  return install(ctx, std::move(what), std::move(host), (request.flags & O_CLOEXEC) != 0);
}

std::int64_t deny_write(call_context& ctx, const open_request& request, const location& at) {
  return ctx.instance.deny(std::string(request.call) + " for writing " + at.path,
                           "--rw HOST:" + at.mount->guest, EROFS);
}

// A source that cannot give what it promised ends the guest: what it holds is not what was granted.
std::int64_t end_broken(call_context& ctx, const std::string& path, const std::string& why) {
  exit_report report;
  report.cause = exit_cause::failed;
  report.detail = path + ": " + why;
  ctx.instance.host.end(std::move(report));
  return -EIO;
}

std::int64_t open_node(call_context& ctx, const open_request& request, std::shared_ptr<description> what,
                       const mount_point& mount, const node_ptr& node) {
  what->memory = mount.memory;
  what->node = node;
  what->quota = mount.quota;
  what->changeable = mount.writable;
  if (what->path_only) return install_opened(ctx, request, std::move(what), unique_fd());
  if (what->kind == file_kind::directory) {
    what->extra = list_folder(ctx, *what);
    return install_opened(ctx, request, std::move(what), unique_fd());
  }
  opened_node opened;
  std::string broken;
  const std::int64_t r = mount.memory->open(node, request.flags, opened, broken);
  if (!broken.empty()) return end_broken(ctx, what->guest_path, broken);
  if (r < 0) return r;
  what->opened = std::move(opened.token);
  what->sealed = opened.sealed;
  return install_opened(ctx, request, std::move(what), std::move(opened.host));
}

std::int64_t open_fifo(call_context& ctx, const open_request& request, location& at) {
  auto what = describe(request, file_kind::pipe, at.path);
  unique_fd host;
  const std::int64_t r = open_fifo_end(ctx, at, *what, host);
  return r < 0 ? r : install_opened(ctx, request, std::move(what), std::move(host));
}

std::int64_t open_mounted(call_context& ctx, const open_request& request, location& at) {
  const mode_t type = at.status.st_mode & S_IFMT;
  const int flags = request.flags;
  if ((flags & O_DIRECTORY) != 0 && type != S_IFDIR) return -ENOTDIR;
  const file_kind kind = type == S_IFDIR ? file_kind::directory : file_kind::regular;
  auto what = describe(request, kind, at.path);
  if (what->path_only && at.node) return open_node(ctx, request, std::move(what), *at.mount, at.node);
  if (what->path_only) return install_opened(ctx, request, std::move(what), std::move(at.object));
  if (type == S_IFLNK) return -ELOOP;
  if (is_own_fifo(ctx, at)) return open_fifo(ctx, request, at);
  if (type != S_IFREG && type != S_IFDIR && ctx.instance.rules.regular_files_only)
    return ctx.instance.deny(std::string(request.call) + " " + at.path,
                             "regular files, directories and own FIFOs only", EACCES);
  if (wants_write(flags)) {
    if (type == S_IFDIR) return -EISDIR;
    if (!at.mount->writable && ctx.instance.rules.read_only_mounts) return deny_write(ctx, request, at);
  }
  if (type == S_IFDIR && (flags & O_CREAT) != 0) return -EISDIR;
  if (at.node) return open_node(ctx, request, std::move(what), *at.mount, at.node);
  what->counted = type == S_IFREG && what->writable;
  what->changeable = at.mount->writable;
  what->quota = at.mount->quota;
  if (type == S_IFDIR || wants_write(flags))
    note_use(ctx, at.path, at.object, type == S_IFDIR ? file_use::reads : file_use::writes, type == S_IFDIR);
  constexpr int passed = O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC | O_DIRECTORY;
  unique_fd host(::open(self_path(at.object).c_str(), (flags & passed) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!host) return no_descriptor();
  return install_opened(ctx, request, std::move(what), std::move(host));
}

// Creates, or finds that somebody else just did (-EEXIST).
std::int64_t create(call_context& ctx, const open_request& request, const std::string& path) {
  parent_location parent;
  if (const std::int64_t r = ctx.instance.files->find_parent(ctx, "/", path, parent); r < 0) return r;
  const unsigned mode = request.mode & 0777 & ~ctx.process.umask.load();  // no setuid, setgid or sticky bits
  if (parent.folder) {
    node_ptr made;
    const auto r = parent.mount->memory->create(parent.folder, parent.name, S_IFREG | mode, {}, made);
    if (r < 0) return r;
    return open_node(ctx, request, describe(request, file_kind::regular, parent.path), *parent.mount, made);
  }
  if (!ctx.instance.charge_written(create_charge, parent.mount->quota.get())) return -ENOSPC;
  constexpr int passed = O_ACCMODE | O_SYNC | O_DSYNC;
  open_how how{};
  how.flags = static_cast<std::uint64_t>((request.flags & passed) | O_CREAT | O_EXCL | O_NOFOLLOW |
                                         O_CLOEXEC | O_NONBLOCK);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  unique_fd host(static_cast<int>(
      ::syscall(SYS_openat2, parent.directory.get(), parent.name.c_str(), &how, sizeof how)));
  if (!host) {
    const int e = errno;
    ctx.instance.refund_written(create_charge, parent.mount->quota.get());
    return e == EMFILE ? -ENFILE : -e;
  }
  (void)::fchmod(host.get(), mode);  // the embedder's umask is not the guest's
  auto what = describe(request, file_kind::regular, parent.path);
  what->counted = what->writable;
  what->changeable = true;
  what->quota = parent.mount->quota;
  return install_opened(ctx, request, std::move(what), std::move(host));
}

std::int64_t open_device(call_context& ctx, const open_request& request, const location& at) {
  auto what = describe(request, file_kind::device, at.path);
  // Without a host descriptor where the guest only writes: what it writes vanishes here, not in the host's
  // pool.
  unique_fd host(::open(at.file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!host) return no_descriptor();
  struct stat st;
  if (::fstat(host.get(), &st) != 0 || !S_ISCHR(st.st_mode)) return -ENODEV;
  return install_opened(ctx, request, std::move(what), std::move(host));
}

std::int64_t open_synthetic(call_context& ctx, const open_request& request, location& at) {
  if ((request.flags & O_DIRECTORY) != 0) return -ENOTDIR;
  if ((request.flags & O_CREAT) != 0 && (request.flags & O_EXCL) != 0) return -EEXIST;
  switch (at.file->kind) {
    case synthetic_kind::device: return open_device(ctx, request, at);
    case synthetic_kind::calls: {
      unique_fd event = ctx.instance.calls.event();
      if (!event) return no_descriptor();
      return install_opened(ctx, request, describe(request, file_kind::calls, at.path), std::move(event));
    }
    case synthetic_kind::vsock: {
      auto what = describe(request, file_kind::device, at.path);
      unique_fd host(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      return host ? install_opened(ctx, request, std::move(what), std::move(host)) : no_descriptor();
    }
    case synthetic_kind::descriptor: {
      const auto d = ctx.process.descriptors.get(descriptor_number(at.path));
      if (!d) return -ENOENT;
      if (d->what->kind == file_kind::socket || d->what->kind == file_kind::epoll) return -ENXIO;
      const bool reads = (request.flags & O_ACCMODE) != O_WRONLY,
                 writes = (request.flags & O_ACCMODE) != O_RDONLY;
      if ((reads && !d->what->readable) || (writes && !d->what->writable)) return -EACCES;
      unique_fd host = d->host.duplicate();
      if (d->host && !host) return no_descriptor();
      return install_opened(ctx, request, d->what, std::move(host));
    }
    default: break;
  }
  if (wants_write(request.flags) && ctx.instance.rules.read_only_mounts)
    return ctx.instance.deny(std::string(request.call) + " for writing " + at.path, "a synthetic file",
                             EACCES);
  auto what = describe(request, file_kind::regular, at.path);
  what->synthetic = true;
  what->writable = false;
  const auto other = at.process != 0 ? ctx.instance.processes.find(at.process) : nullptr;
  if (at.process != 0 && !other) return -ENOENT;
  call_context of{ctx.instance, other ? *other : ctx.process, ctx.memory, ctx.thread, {}};
  unique_fd host = open_synthetic_text(of, *at.file);
  return host ? install_opened(ctx, request, std::move(what), std::move(host)) : no_descriptor();
}

}  // namespace

std::shared_ptr<directory_listing> list_folder(call_context& ctx, const description& what) {
  auto listing = std::make_shared<directory_listing>();
  listing->names = {".", ".."};
  constexpr std::string_view tasks = "/proc/self/task";
  if (what.guest_path == "/proc/self/fd") {
    for (const int fd : ctx.process.descriptors.numbers()) listing->names.push_back(std::to_string(fd));
    return listing;
  }
  if (what.guest_path == tasks) {
    for (const int tid : ctx.process.host.threads()) listing->names.push_back(std::to_string(tid));
    return listing;
  }
  if (what.guest_path.starts_with(tasks)) {
    for (auto& name : ctx.instance.files->list("/proc/self"))
      if (name != "task") listing->names.push_back(std::move(name));
    return listing;
  }
  std::set<std::string> names;
  if (process_number(what.guest_path) > 0) {
    for (auto& name : names_of_process()) names.insert(std::move(name));
  }
  if (what.guest_path == "/proc") {
    for (const auto& process : ctx.instance.processes.all()) names.insert(std::to_string(process->pid));
  }
  if (what.node) {
    for (auto& name : what.memory->list(what.node)) names.insert(std::move(name));
  }
  for (auto& name : ctx.instance.files->list(what.guest_path)) names.insert(std::move(name));
  listing->names.insert(listing->names.end(), names.begin(), names.end());
  return listing;
}

namespace {

std::int64_t open_synthetic_directory(call_context& ctx, const open_request& request, const location& at) {
  if (wants_write(request.flags) || (request.flags & O_CREAT) != 0) return -EISDIR;
  auto what = describe(request, file_kind::directory, at.path);
  what->synthetic = true;
  what->extra = list_folder(ctx, *what);
  return install_opened(ctx, request, std::move(what), unique_fd());
}

std::int64_t open_found(call_context& ctx, const open_request& request, location& at) {
  const bool exclusive = (request.flags & O_CREAT) != 0 && (request.flags & O_EXCL) != 0;
  switch (at.where) {
    case place::mounted: return exclusive ? -EEXIST : open_mounted(ctx, request, at);
    case place::synthetic_file: return open_synthetic(ctx, request, at);
    case place::synthetic_directory: return exclusive ? -EEXIST : open_synthetic_directory(ctx, request, at);
    case place::synthetic_link: return exclusive ? -EEXIST : -ELOOP;
    case place::creatable: {
      if ((request.flags & O_CREAT) == 0) return -ENOENT;
      if (request.path.ends_with('/')) return -EISDIR;
      return create(ctx, request, at.path);
    }
    case place::socket: return exclusive ? -EEXIST : -ENXIO;
    case place::nowhere: break;
  }
  return deny_path(ctx, request.call, at.path);
}

// O_TMPFILE, in memory only: there its bytes are counted like any other file's.
std::int64_t open_unnamed(call_context& ctx, const open_request& request) {
  if (!wants_write(request.flags & ~O_TRUNC)) return -EINVAL;
  location at;
  const auto r = ctx.instance.files->find(ctx, request.base, request.path, true, at);
  if (r < 0) return r;
  if (at.where == place::creatable) return -ENOENT;
  if (at.where != place::mounted || !at.node) return -EOPNOTSUPP;
  if (!S_ISDIR(at.status.st_mode)) return -ENOTDIR;
  if (!at.mount->writable) return deny_write(ctx, request, at);
  node_ptr made;
  const mode_t mode = S_IFREG | (request.mode & 0777 & ~ctx.process.umask.load());
  if (const auto failed = at.mount->memory->create_unnamed(mode, made); failed < 0) return failed;
  struct stat st {};
  at.mount->memory->attributes(made, {}, st);
  const std::string name = join_path(at.path, "#" + std::to_string(st.st_ino) + " (deleted)");
  return open_node(ctx, request, describe(request, file_kind::regular, name), *at.mount, made);
}

}  // namespace

std::int64_t open_path(call_context& ctx, const open_request& request) {
  constexpr int temporary = O_TMPFILE & ~O_DIRECTORY;
  if ((request.flags & temporary) != 0) return open_unnamed(ctx, request);
  if ((request.flags & O_ACCMODE) == O_ACCMODE || (request.flags & (O_DIRECT | O_ASYNC)) != 0) return -EINVAL;
  if ((request.flags & O_CREAT) != 0 && (request.flags & O_DIRECTORY) != 0) return -EINVAL;
  const bool exclusive = (request.flags & O_CREAT) != 0 && (request.flags & O_EXCL) != 0;
  const bool follow = (request.flags & O_NOFOLLOW) == 0 && !exclusive;
  for (int attempt = 0;; ++attempt) {
    location at;
    std::int64_t r = ctx.instance.files->find(ctx, request.base, request.path, follow, at);
    if (r < 0) return r;
    r = open_found(ctx, request, at);
    // Another thread created the file between the look and the creation: look again.
    if (r != -EEXIST || exclusive || attempt == 8) return r;
  }
}

}  // namespace osvm::unikernel
