// Namespaces of the worker's own: an empty root that holds the folders of its sockets, /proc/self and five
// devices;
// no network unless the guest was granted one.
#include "unikernel/jail/jail.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace osvm::unikernel {
namespace {

// Where the new root is put together: over a mount that every host has, nothing is written below the old
// root.
constexpr const char* new_root = "/proc";

result<void> write_once(const char* path, const std::string& text) {
  const unique_fd file(::open(path, O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return errno_error(path);
  return {};
}

// Without CAP_SYS_ADMIN the others need a user namespace around them.
result<void> unshare_as_user(int which) {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (::unshare(CLONE_NEWUSER | which) != 0) {
    return error(errc::isolation_unsupported,
                 fmt::format("a jail needs namespaces: {}", errno_error("unshare").to_string()));
  }
  OSVM_CHECK(write_once("/proc/self/setgroups", "deny"));
  OSVM_CHECK(write_once("/proc/self/uid_map", fmt::format("{0} {0} 1", user)));
  return write_once("/proc/self/gid_map", fmt::format("{0} {0} 1", group));
}

// Nothing that is mounted from here on reaches other namespaces. False: this process is in a chroot whose
// root is no mount, so that only the place of the new root can be made private, and the old one cannot be
// left behind.
result<bool> keep_mounts_private() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) return true;
  if (errno != EINVAL || ::mount(nullptr, new_root, nullptr, MS_PRIVATE, nullptr) != 0)
    return errno_error("jail: private mounts");
  return false;
}

result<void> change_root(bool pivot) {
  // The old root lies over the new one for a moment, then nowhere (pivot_root(2), "pivot_root(".", ".")").
  const auto leave_old = [] {
    return ::syscall(SYS_pivot_root, ".", ".") == 0 && ::umount2(".", MNT_DETACH) == 0;
  };
  if (::chdir(new_root) != 0 || !(pivot ? leave_old() : ::chroot(".") == 0) || ::chdir("/") != 0)
    return errno_error("jail: changing root");
  return {};
}

// A copy of a mount, taken where it still can be named.
struct taken_place {
  std::string path;
  unique_fd tree;
  bool folder = false;
};

result<taken_place> take(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return errno_error("jail: " + path);
  taken_place p{.path = path, .tree = {}, .folder = S_ISDIR(st.st_mode)};
  p.tree.reset(static_cast<int>(
      ::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!p.tree) return errno_error("jail: taking " + path);
  return p;
}

result<void> put(const taken_place& p) {
  const std::string at = new_root + p.path;
  std::error_code ec;
  std::filesystem::create_directories(p.folder ? at : at.substr(0, at.rfind('/')), ec);
  if (ec) return errno_error("jail: " + p.path, ec.value());
  if (!p.folder) {
    const unique_fd file(::open(at.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!file) return errno_error("jail: " + p.path);
  }
  if (::syscall(SYS_move_mount, p.tree.get(), "", AT_FDCWD, at.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return errno_error("jail: placing " + p.path);
  return {};
}

// Where sockets of the host are reached by path. Outer folders first, so that an inner one is not covered.
std::set<std::string> socket_folders(const host_access& needs) {
  std::set<std::string> all;
  if (!needs.socket_dir.empty()) all.insert(needs.socket_dir);
  for (const std::string& path : needs.unix_listeners) all.insert(std::string(parent_path(path)));
  for (const std::string& path : needs.unix_targets) all.insert(std::string(parent_path(path)));
  return all;
}

}  // namespace

result<std::string> enter_namespaces(const host_access& needs) {
  const int which = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (!needs.ports.empty() ? 0 : CLONE_NEWNET);
  if (::unshare(which) != 0) OSVM_CHECK(unshare_as_user(which));
  OSVM_TRY(const bool pivot, keep_mounts_private());
  std::vector<taken_place> places;
  OSVM_TRY(auto self, take(fmt::format("/proc/{}", ::getpid())));
  self.path = "/proc/self";
  places.push_back(std::move(self));
  for (const char* device : jail_devices) {
    OSVM_TRY(auto place, take(device));
    places.push_back(std::move(place));
  }
  const std::size_t own = places.size();
  for (const std::string& folder : socket_folders(needs)) {
    OSVM_TRY(auto place, take(folder));
    places.push_back(std::move(place));
  }
  constexpr unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (::mount("jail", new_root, "tmpfs", flags, "mode=0755,size=1m,nr_inodes=256") != 0)
    return errno_error("jail: root");
  for (std::size_t i = 0; i < own; ++i) OSVM_CHECK(put(places[i]));
  if (::mkdir((std::string(new_root) + "/tmp").c_str(), 0700) != 0) return errno_error("jail: /tmp");
  for (std::size_t i = own; i < places.size(); ++i) OSVM_CHECK(put(places[i]));
  OSVM_CHECK(change_root(pivot));
  return fmt::format("namespaces (mount, ipc, uts{}){}", !needs.ports.empty() ? "" : ", net",
                     pivot ? "" : ", root changed within a chroot");
}

}  // namespace osvm::unikernel
