#include "unikernel/files/attributes.hpp"

#include "unikernel/files/overlay.hpp"
#include "unikernel/instance_state.hpp"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace osvm::unikernel {
namespace {

void own(struct stat& st) {
  st.st_uid = guest_uid;
  st.st_gid = guest_gid;
}

void make_up(struct stat& st, mode_t mode, dev_t device = 0) {
  st = {};
  st.st_dev = 1;
  st.st_ino = 1;
  st.st_nlink = 1;
  st.st_mode = mode;
  st.st_rdev = device;
  st.st_blksize = 4096;
}

dev_t device_number(std::string_view path) {
  if (path == "/dev/zero") return makedev(1, 5);
  if (path == "/dev/full") return makedev(1, 7);
  if (path == "/dev/random") return makedev(1, 8);
  if (path == "/dev/urandom") return makedev(1, 9);
  if (path == "/dev/vsock") return makedev(10, 121);
  return makedev(1, 3);
}

}  // namespace

std::int64_t attributes_of(const descriptor& d, struct stat& out) {
  switch (d.what->kind) {
    case file_kind::capture:
    case file_kind::log: make_up(out, S_IFIFO | 0600); return own(out), 0;
    case file_kind::null: make_up(out, S_IFCHR | 0666, makedev(1, 3)); return 0;
    case file_kind::calls:
    case file_kind::device: make_up(out, S_IFCHR | 0666, device_number(d.what->guest_path)); return 0;
    default: break;
  }
  if (d.what->node) {
    d.what->memory->attributes(d.what->node, d.host, out);
    return own(out), 0;
  }
  if (d.what->synthetic && !d.host) {
    make_up(out, S_IFDIR | 0555);
    return 0;
  }
  if (::fstat(d.what->object ? d.what->object->get() : d.host.get(), &out) != 0) return -errno;
  if (d.what->synthetic) {
    out.st_mode = S_IFREG | 0444;
    out.st_uid = out.st_gid = 0;
  } else {
    own(out);
  }
  return 0;
}

std::int64_t attributes_of(call_context& ctx, const location& at, struct stat& out) {
  switch (at.where) {
    case place::mounted:
      out = at.status;
      own(out);
      return 0;
    case place::synthetic_directory: make_up(out, S_IFDIR | 0555); return 0;
    case place::synthetic_link: make_up(out, S_IFLNK | 0777); return 0;
    case place::socket: make_up(out, S_IFSOCK | 0755); return own(out), 0;
    case place::synthetic_file: break;
    default: return -ENOENT;
  }
  switch (at.file->kind) {
    case synthetic_kind::device:
    case synthetic_kind::calls:
    case synthetic_kind::vsock: make_up(out, S_IFCHR | 0666, device_number(at.path)); return 0;
    case synthetic_kind::descriptor: {
      const auto d = ctx.process.descriptors.get(descriptor_number(at.path));
      return d ? attributes_of(*d, out) : -ENOENT;
    }
    default: make_up(out, S_IFREG | 0444); return 0;  // of unknown size, as in /proc
  }
}

std::int64_t base_of(call_context& ctx, int dirfd, std::string_view path, std::string& base) {
  base = "/";
  if (path.starts_with('/')) return 0;
  if (dirfd == AT_FDCWD) {
    std::lock_guard guard(ctx.process.cwd_lock);
    base = ctx.process.working_directory;
    return 0;
  }
  const auto d = ctx.process.descriptors.get(dirfd);
  if (!d) return -EBADF;
  if (d->what->kind != file_kind::directory) return path.empty() ? 0 : -ENOTDIR;
  base = d->what->guest_path;
  return 0;
}

std::string self_path(const unique_fd& fd) {
  return "/proc/self/fd/" + std::to_string(fd.get());
}

// What C libraries and their loader look for in every program, and expect to be missing: no denial, or each
// list of denials began with them.
bool is_common_probe(std::string_view path) noexcept {
  constexpr std::string_view known[] = {"/etc/ld.so.preload", "/selinux", "/sys/fs/selinux",
                                        "/var/run/nscd/socket", "/run/nscd/socket"};
  return std::find(std::begin(known), std::end(known), path) != std::end(known);
}

std::int64_t deny_path(call_context& ctx, const char* call, const std::string& path) {
  if (is_common_probe(path) || ctx.instance.files->loader_probes(path)) return -ENOENT;
  if (path == "/dev/tty") return -ENXIO;                // the guest has no controlling terminal
  static const std::string shared_memory = "/dev/shm";  // where shm_open() looks
  const bool memory = path == shared_memory || path.starts_with(shared_memory + '/');
  return ctx.instance.deny(std::string(call) + " " + path,
                           memory ? "--tmpfs " + shared_memory : "--ro HOST:" + path, ENOENT);
}

}  // namespace osvm::unikernel
