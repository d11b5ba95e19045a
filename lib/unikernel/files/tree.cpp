#include "unikernel/files/tree.hpp"

#include "unikernel/instance_state.hpp"

#include <osvm/core/path.hpp>
#include <osvm/unikernel/error.hpp>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace osvm::unikernel {
namespace {

constexpr int max_links = 40;  // as Linux
constexpr std::string_view fd_directory = "/proc/self/fd";
constexpr std::string_view task_directory = "/proc/self/task/";
constexpr synthetic_file fd_link{"/proc/self/fd/N", synthetic_kind::descriptor};

// One lookup by the host, beneath `root` and without following anything. A rename somewhere else on the host
// makes the kernel give up with EAGAIN, since it can no longer tell that the path stayed beneath.
int open_beneath(int root, const char* relative, int flags) noexcept {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, relative, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN || attempt == 16) return static_cast<int>(fd);
  }
}

// Without ".." and links, text alone says where a path leads.
bool join_plain(std::string_view base, std::string_view path, std::string& out) {
  std::vector<std::string> parts;
  push_path_parts(path, parts);
  out = path.starts_with('/') ? "/" : std::string(base);
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (*part == "..") return false;
    if (*part != ".") out = join_path(out, *part);
  }
  return true;
}

bool is_link(const location& at) {
  return at.where == place::synthetic_link || (at.where == place::mounted && S_ISLNK(at.status.st_mode));
}
bool is_directory(const location& at) {
  return at.where == place::synthetic_directory || (at.where == place::mounted && S_ISDIR(at.status.st_mode));
}

std::string_view relative_to(const mount_point& m, std::string_view path) {
  path.remove_prefix(m.guest == "/" ? 1 : std::min(m.guest.size() + 1, path.size()));
  return path;
}

bool bad_guest_path(std::string_view path) {
  if (!path.starts_with('/') || path.find('\0') != std::string_view::npos || path.size() >= 4096) return true;
  std::vector<std::string> parts;
  push_path_parts(path, parts);
  return std::any_of(parts.begin(), parts.end(), [](const auto& p) { return p == ".." || p == "."; });
}

// A small decimal number, or -1.
int number_of(std::string_view text) {
  int number = 0;
  if (text.empty() || text.size() > 8) return -1;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    number = number * 10 + (c - '0');
  }
  return number;
}

bool names_descriptor(std::string_view path) {
  return path.size() > fd_directory.size() + 1 && path.starts_with(fd_directory) &&
         path[fd_directory.size()] == '/';
}

}  // namespace

int descriptor_number(std::string_view path) {
  if (!names_descriptor(path)) return -1;
  path.remove_prefix(fd_directory.size() + 1);
  return number_of(path);
}

int process_number(std::string_view path) {
  constexpr std::string_view above = "/proc/";
  if (!path.starts_with(above)) return -1;
  path.remove_prefix(above.size());
  return number_of(path.substr(0, path.find('/')));
}

std::string_view parent_path(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string_view::npos ? std::string_view("/") : path.substr(0, slash);
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string joined(directory);
  if (joined != "/") joined += '/';
  return joined.append(name);
}

namespace {

// A read-only file that the VMM made: a sealed memory file.
unique_fd content_file(const std::string& content) {
  unique_fd fd(::memfd_create("osvm-content", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (fd && (::pwrite(fd.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size()) ||
             ::fcntl(fd.get(), F_ADD_SEALS, seals) != 0)) {
    fd.reset();
  }
  return fd;
}

}  // namespace

// Policy's own mounts come first: a root file system keeps its own libraries.
void file_tree::add_closure(open_closure& closure, std::vector<library_grant>& taken) {
  searched_ = closure.searched;
  needed_ = closure.needed;
  const std::size_t given = mounts_.size();
  const auto covered = [&](const std::string& path) {
    for (std::size_t i = 0; i < given; ++i) {
      const mount_point& m = mounts_[i];
      if (path == m.guest) return true;
      if (!m.directory || !(m.guest == "/" || (path.starts_with(m.guest) && path[m.guest.size()] == '/')))
        continue;
      if (m.memory) {
        node_ptr node;
        const auto r = m.memory->find(m.top, relative_to(m, path), node);
        if (r == 0 || r == -ELOOP) return true;
        continue;
      }
      const unique_fd there(
          open_beneath(m.root.get(), std::string(relative_to(m, path)).c_str(), O_PATH | O_NOFOLLOW));
      if (there || errno == ELOOP) return true;
    }
    return false;
  };
  for (auto& f : closure.files) {
    if (bad_guest_path(f.grant.guest_path) || covered(f.grant.guest_path)) continue;
    mount_point point;
    join_plain("/", f.grant.guest_path, point.guest);
    point.root = std::move(f.object);
    mounts_.push_back(std::move(point));
    taken.push_back(f.grant);
  }
  constexpr const char* cache = "/etc/ld.so.cache";
  if (closure.loader_cache.empty() || covered(cache)) return;
  mount_point point;
  point.guest = cache;
  point.root = content_file(closure.loader_cache);
  if (point.root) mounts_.push_back(std::move(point));
}

result<mount_point> file_tree::new_point(const std::string& guest_path) const {
  if (bad_guest_path(guest_path))
    return error(errc::bad_policy,
                 "mount " + guest_path + ": the guest path must be absolute, without \"..\"");
  mount_point point;
  join_plain("/", guest_path, point.guest);
  const auto same = [&](const mount_point& other) { return other.guest == point.guest; };
  if (std::any_of(mounts_.begin(), mounts_.end(), same))
    return error(errc::bad_policy, "mount " + guest_path + ": granted twice");
  return point;
}

result<void> file_tree::add_host_mount(const mount& m) {
  OSVM_TRY(auto point, new_point(m.guest_path));
  point.writable = m.writable;
  point.root.reset(::open(m.host_path.c_str(), O_PATH | O_CLOEXEC));
  struct stat st;
  if (!point.root || ::fstat(point.root.get(), &st) != 0)
    return error(errc::bad_policy, errno_error("mount " + m.host_path).to_string());
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
    return error(errc::bad_policy, "mount " + m.host_path + ": neither a regular file nor a directory");
  point.directory = S_ISDIR(st.st_mode);
  if (m.quota_bytes != 0 && !point.directory)
    return error(errc::bad_policy, "mount " + m.host_path + ": a quota is for a folder");
  if (m.quota_bytes != 0) {
    OSVM_TRY(point.quota, quota_account::open(point.root, m.quota_bytes));
  }
  mounts_.push_back(std::move(point));
  return {};
}

// The tree itself and each of its writable folders are mounts of one overlay: so what is read-only is judged
// as everywhere else. A folder that a mount of the host has taken is that mount's.
result<void> file_tree::add_memory_tree(const memory_tree& t) {
  OSVM_TRY(auto whole, new_point(t.guest_path));
  whole.memory = overlay::create(t.source, t.overlay_bytes);
  whole.quota = whole.memory->quota();
  whole.top = whole.memory->root();
  whole.directory = true;
  const auto taken = [&](const std::string& path) {
    return std::any_of(mounts_.begin(), mounts_.end(), [&](const auto& m) { return m.guest == path; });
  };
  for (const std::string& folder : t.writable) {
    if (bad_guest_path(folder))
      return error(errc::bad_policy, "writable " + folder + ": the path must be absolute, without \"..\"");
    mount_point point = {.guest = {},
                         .root = {},
                         .memory = whole.memory,
                         .top = {},
                         .writable = true,
                         .directory = true,
                         .quota = whole.quota};
    join_plain("/", folder, point.guest);
    if (point.guest == whole.guest) {
      whole.writable = true;
      continue;
    }
    const std::string inside = whole.guest == "/" ? "/" : whole.guest + "/";
    if (!point.guest.starts_with(inside))
      return error(errc::bad_policy, "writable " + folder + " does not lie in " + whole.guest);
    if (taken(point.guest)) continue;
    if (whole.memory->make_folders(point.guest.substr(inside.size()), point.top) < 0)
      return error(errc::bad_policy, "writable " + folder + ": is no folder of the image");
    mounts_.push_back(std::move(point));
  }
  mounts_.push_back(std::move(whole));
  return {};
}

result<void> file_tree::add_scratch(const tmpfs& t) {
  OSVM_TRY(auto point, new_point(t.guest_path));
  if (point.guest == "/") return error(errc::bad_policy, "tmpfs /: a folder below it is meant");
  point.memory = overlay::create(nullptr, t.bytes);
  point.quota = point.memory->quota();
  point.top = point.memory->root();
  point.memory->set_mode(point.top, 01777);
  point.writable = point.directory = true;
  mounts_.push_back(std::move(point));
  return {};
}

result<std::shared_ptr<file_tree>> file_tree::create(const policy& granted) {
  open_closure none;
  std::vector<library_grant> taken;
  return create(granted, none, taken);
}

result<std::shared_ptr<file_tree>> file_tree::create(const policy& granted, open_closure& closure,
                                                     std::vector<library_grant>& taken) {
  auto tree = std::make_shared<file_tree>();
  for (const mount& m : granted.mounts) OSVM_CHECK(tree->add_host_mount(m));
  for (const memory_tree& t : granted.trees) OSVM_CHECK(tree->add_memory_tree(t));
  for (const tmpfs& t : granted.scratch) OSVM_CHECK(tree->add_scratch(t));
  tree->add_closure(closure, taken);
  std::stable_sort(tree->mounts_.begin(), tree->mounts_.end(),
                   [](const auto& a, const auto& b) { return a.guest.size() > b.guest.size(); });
  const auto add_parents = [&](std::string_view path) {
    while (path != "/") tree->directories_.emplace(path = parent_path(path));
  };
  tree->directories_.insert("/");
  for (const auto& m : tree->mounts_) add_parents(m.guest);
  for (const auto& f : synthetic_files()) add_parents(f.path);
  add_parents(fd_link.path);
  tree->directories_.emplace("/proc/self/task");
  return tree;
}

const mount_point* file_tree::mount_of(std::string_view path) const {
  for (const auto& m : mounts_) {
    if (!path.starts_with(m.guest)) continue;
    if (m.guest == "/" || path.size() == m.guest.size() || path[m.guest.size()] == '/') return &m;
  }
  return nullptr;
}

// /proc/N: a few files, of processes that run.
bool file_tree::look_up_process(call_context& ctx, const std::string& path, location& out) const {
  const int pid = process_number(path);
  if (pid <= 0 || !ctx.instance.processes.find(pid)) return false;
  const std::size_t end = path.find('/', std::string_view("/proc/").size());
  const bool folder = end == std::string::npos;
  out = location{};
  out.path = path;
  out.process = pid;
  out.file = folder ? nullptr : find_of_process(std::string_view(path).substr(end + 1));
  out.where = folder ? place::synthetic_directory : place::synthetic_file;
  return folder || out.file;
}

// /proc/self/task/TID has the files of the process: threads of a guest differ in little that /proc shows.
std::int64_t file_tree::look_up_task(call_context& ctx, const std::string& path, location& out) const {
  const std::size_t end = std::min(path.find('/', task_directory.size()), path.size());
  const int tid =
      number_of(std::string_view(path).substr(task_directory.size(), end - task_directory.size()));
  if (tid < 0 || !ctx.process.host.has_thread(tid)) return -ENOENT;
  if (end < path.size()) return look_up(ctx, "/proc/self" + path.substr(end), out);
  out = location{};
  out.path = path;
  out.where = place::synthetic_directory;
  return 0;
}

std::int64_t file_tree::look_up(call_context& ctx, const std::string& path, location& out) const {
  const std::string own = "/proc/" + std::to_string(ctx.process.pid);
  for (const std::string_view alias : {std::string_view(own), std::string_view("/proc/thread-self")}) {
    if (path.starts_with(alias) && (path.size() == alias.size() || path[alias.size()] == '/')) {
      return look_up(ctx, "/proc/self" + path.substr(alias.size()), out);
    }
  }
  if (path.starts_with(task_directory)) return look_up_task(ctx, path, out);
  if (look_up_process(ctx, path, out)) return 0;
  out = location{};
  out.path = path;
  out.file = find_synthetic(path);
  if (names_descriptor(path)) {
    if (!ctx.process.descriptors.get(descriptor_number(path))) return -ENOENT;
    out.file = &fd_link;
  }
  const auto synthetic = [&] {
    const bool link = out.file->kind == synthetic_kind::link || out.file->kind == synthetic_kind::descriptor;
    out.where = link ? place::synthetic_link : place::synthetic_file;
    return 0;
  };
  const mount_point* m = mount_of(path);
  if (out.file && !(m && (out.file->yields || m->guest != "/"))) return synthetic();
  if (m) {
    if (path.size() > m->guest.size() && path != "/" && !m->directory) return -ENOTDIR;
    const std::string relative(relative_to(*m, path));
    if (m->memory) {
      const std::int64_t r = m->memory->find(m->top, relative, out.node);
      if (r == 0) {
        m->memory->attributes(out.node, {}, out.status);
        out.where = place::mounted;
        out.mount = m;
        return 0;
      }
      errno = static_cast<int>(-r);
    } else if (relative.empty()) {
      out.object = m->root.duplicate();
    } else {
      out.object.reset(open_beneath(m->root.get(), relative.c_str(), O_PATH | O_NOFOLLOW));
    }
    if (out.object) {
      if (::fstat(out.object.get(), &out.status) != 0) return -errno;
      out.where = place::mounted;
      out.mount = m;
      return 0;
    }
    if (errno != ENOENT) return errno == EMFILE ? -ENFILE : -errno;
  }
  if (out.file) return synthetic();
  if (ctx.instance.network.names.has_path(path)) {
    out.where = place::socket;
  } else if (directories_.contains(path)) {
    out.where = place::synthetic_directory;
  } else if (m) {
    out.where = place::creatable;
    out.mount = m;
  }
  return 0;
}

std::int64_t file_tree::link_target(call_context& ctx, const location& at, std::string& target) const {
  if (at.where == place::synthetic_link) {
    if (at.file->kind == synthetic_kind::link) {
      target = at.file->content(ctx);
      return 0;
    }
    const auto d = ctx.process.descriptors.get(descriptor_number(at.path));
    if (!d) return -ENOENT;
    target = d->what->guest_path;
    return 0;
  }
  if (at.node) {
    target = overlay::target(at.node);
    return 0;
  }
  target.resize(4096);
  const ssize_t n = ::readlinkat(at.object.get(), "", target.data(), target.size());
  if (n < 0) return -errno;
  target.resize(static_cast<std::size_t>(n));
  return 0;
}

// What the rule `beneath` prevents, for the control of its tests: the host resolves the guest's text as it
// stands.
std::int64_t file_tree::find_unchecked(std::string_view base, std::string_view path, bool follow_last,
                                       location& out) const {
  const std::string whole = path.starts_with('/') ? std::string(path) : join_path(base, path);
  const mount_point* m = mount_of(whole);
  if (!m || m->memory) return -EXDEV;
  const std::string relative(relative_to(*m, whole));
  out = location{};
  out.path = whole;
  out.mount = m;
  out.object.reset(::openat(m->root.get(), relative.empty() ? "." : relative.c_str(),
                            O_PATH | O_CLOEXEC | (follow_last ? 0 : O_NOFOLLOW)));
  out.where = out.object ? place::mounted : place::creatable;
  return out.object && ::fstat(out.object.get(), &out.status) != 0 ? -errno : 0;
}

void note_use(call_context& ctx, const std::string& asked, const unique_fd& object, file_use use,
              bool folder) {
  if (!ctx.instance.recorder || !object) return;  // in memory there is nothing to grant
  char host[4097];
  const ssize_t n = ::readlink(("/proc/self/fd/" + std::to_string(object.get())).c_str(), host, sizeof host);
  if (n > 0 && static_cast<std::size_t>(n) < sizeof host)
    ctx.instance.recorder->file(asked, {host, static_cast<std::size_t>(n)}, use, folder);
}

std::int64_t file_tree::find(call_context& ctx, std::string_view base, std::string_view path,
                             bool follow_last, location& out) const {
  const std::int64_t r = find_quietly(ctx, base, path, follow_last, out);
  if (r == 0 && ctx.instance.recorder && out.where == place::mounted && !is_link(out)) {
    const bool folder = S_ISDIR(out.status.st_mode);
    std::string asked;  // what a policy must name: a link on the way need not be granted then
    if (!join_plain(base, path, asked)) asked = out.path;
    note_use(ctx, asked, out.object, folder ? file_use::exists : file_use::reads, folder);
    if (folder && asked != out.path) note_use(ctx, out.path, out.object, file_use::exists, true);
  }
  return r;
}

std::int64_t file_tree::find_quietly(call_context& ctx, std::string_view base, std::string_view path,
                                     bool follow_last, location& out) const {
  if (path.empty()) return -ENOENT;
  if (!ctx.instance.rules.beneath && find_unchecked(base, path, follow_last, out) == 0) return 0;
  const bool slash = path.ends_with('/');
  follow_last |= slash;
  const auto found = [&] {
    return slash && out.where == place::mounted && !is_directory(out) ? -ENOTDIR : 0;
  };

  // Most paths hold no link: one host call settles those. Everything else walks.
  std::string at;
  if (join_plain(base, path, at)) {
    const std::int64_t r = look_up(ctx, at, out);
    if (r == 0 && out.where != place::nowhere && !(is_link(out) && follow_last)) return found();
    if (r < 0 && r != -ELOOP && r != -ENOTDIR) return r;
  }

  std::vector<std::string> todo;
  push_path_parts(path, todo);
  at = path.starts_with('/') ? "/" : std::string(base);
  for (int links = 0; !todo.empty();) {
    const std::string name = std::move(todo.back());
    todo.pop_back();
    if (name == ".") continue;
    if (name == "..") {
      at = parent_path(at);
      continue;
    }
    const std::string here = join_path(at, name);
    if (here.size() >= 4096) return -ENAMETOOLONG;
    if (const std::int64_t r = look_up(ctx, here, out); r < 0) return r;
    const bool last = todo.empty();
    if (is_link(out) && (!last || follow_last)) {
      if (++links > max_links || todo.size() > 4096) return -ELOOP;
      std::string target;
      if (const std::int64_t r = link_target(ctx, out, target); r < 0) return r;
      if (target.empty() && out.where == place::synthetic_link && last) {
        out.where = place::synthetic_file;  // a descriptor without a path: the caller duplicates it
        return 0;
      }
      if (target.empty()) return -ENOENT;
      push_path_parts(target, todo);
      if (target.starts_with('/')) at = "/";
      if (todo.empty()) break;
      continue;
    }
    if (last) return found();
    if (out.where == place::nowhere) {
      for (auto rest = todo.rbegin(); rest != todo.rend(); ++rest) out.path = join_path(out.path, *rest);
      return 0;
    }
    if (out.where == place::creatable) return -ENOENT;
    if (!is_directory(out)) return -ENOTDIR;
    at = here;
  }
  return look_up(ctx, at, out);
}

std::int64_t file_tree::find_parent(call_context& ctx, std::string_view base, std::string_view path,
                                    parent_location& out) const {
  if (path.empty()) return -ENOENT;
  std::string_view trimmed = path;
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.remove_suffix(1);
  out.slash = trimmed.size() != path.size();
  const std::size_t slash = trimmed.rfind('/');
  out.name = trimmed.substr(slash == std::string_view::npos ? 0 : slash + 1);
  if (out.name.empty() || out.name == "." || out.name == "..") return -EBUSY;
  if (out.name.size() > 255) return -ENAMETOOLONG;
  location at;
  const std::string_view directory = slash == std::string_view::npos ? "." : trimmed.substr(0, slash + 1);
  if (const std::int64_t r = find(ctx, base, directory, true, at); r < 0) return r;
  out.path = join_path(at.path, out.name);
  const std::string what = "change " + out.path;
  if (at.where == place::nowhere) return ctx.instance.deny(what, "--rw HOST:" + at.path, ENOENT);
  if (at.where == place::creatable) return -ENOENT;
  if (!is_directory(at)) return -ENOTDIR;
  if (at.where != place::mounted) return ctx.instance.deny(what, "--rw HOST:" + out.path, EROFS);
  if (const mount_point* m = mount_of(out.path); m && m->guest == out.path) return -EBUSY;
  if (!at.mount->writable && ctx.instance.rules.read_only_mounts)
    return ctx.instance.deny(what, "--rw HOST:" + at.mount->guest, EROFS);
  out.mount = at.mount;
  out.directory = std::move(at.object);
  out.folder = std::move(at.node);
  note_use(ctx, at.path, out.directory, file_use::writes, true);
  return 0;
}

bool file_tree::loader_probes(std::string_view path) const {
  if (searched_.empty()) return false;
  if (needed_.contains(path.substr(path.rfind('/') + 1))) path = parent_path(path);
  // ld.so's variants: glibc-hwcaps/x86-64-v3, and of older versions tls/x86_64 and the like.
  constexpr std::string_view variants[] = {"glibc-hwcaps", "x86-64-v2", "x86-64-v3", "x86-64-v4",
                                           "tls",          "x86_64",    "haswell",   "avx512_1"};
  for (int depth = 0; depth < 4 && path != "/"; ++depth) {
    if (searched_.contains(path)) return true;
    const std::string_view name = path.substr(path.rfind('/') + 1);
    if (std::find(std::begin(variants), std::end(variants), name) == std::end(variants)) return false;
    path = parent_path(path);
  }
  return false;
}

std::string file_tree::changed_in_memory() const {
  for (const mount_point& m : mounts_)
    if (m.memory && m.memory->changed()) return m.guest;
  return {};
}

std::vector<file_root> file_tree::roots() const {
  std::vector<file_root> all;
  for (const mount_point& m : mounts_)
    if (m.root) all.push_back({.fd = m.root.get(), .writable = m.writable, .directory = m.directory});
  return all;
}

std::vector<std::string> file_tree::list(std::string_view directory) const {
  std::set<std::string> names;
  const auto add = [&](std::string_view path) {
    if (path != "/" && parent_path(path) == directory) names.emplace(path.substr(path.rfind('/') + 1));
  };
  for (const auto& m : mounts_) add(m.guest);
  for (const auto& d : directories_) add(d);
  for (const auto& f : synthetic_files()) add(f.path);
  if (directory == "/proc") names.emplace(std::to_string(guest_process_id));
  return {names.begin(), names.end()};
}

}  // namespace osvm::unikernel
