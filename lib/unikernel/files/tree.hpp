// The guest's file name space: granted mounts, and a fixed set of synthetic files. Everything else does not
// exist.
//
// Resolution never leaves a mount: the host resolves only what lies beneath the mount's own directory
// descriptor, and no symbolic links (openat2: RESOLVE_BENEATH, NO_SYMLINKS, NO_MAGICLINKS). Links are
// followed here, in the guest's name space, so that an absolute link or ".." means what the guest sees, and
// what a link names must be granted itself.
#pragma once

#include "unikernel/elf/closure.hpp"
#include "unikernel/files/overlay.hpp"
#include "unikernel/files/quota.hpp"
#include "unikernel/files/synthetic.hpp"
#include "unikernel/policy/recorder.hpp"
#include "unikernel/syscalls/syscall.hpp"

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/unikernel/policy.hpp>

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::unikernel {

struct mount_point {
  std::string guest;  // canonical absolute path; "/" for the root
  unique_fd root;     // O_PATH; empty when the files are in memory
  std::shared_ptr<overlay> memory;
  node_ptr top;  // in `memory`: what `guest` names
  bool writable = false;
  bool directory = false;
  std::shared_ptr<quota_account> quota;  // null: none of its own
};

enum class place : std::uint8_t {
  nowhere,    // no mount reaches it, and it is not synthetic
  mounted,    // `object` is it
  creatable,  // below a mount, does not exist, but its parent does
  synthetic_file,
  synthetic_directory,  // leads to mounts or synthetic files
  synthetic_link,
  socket,  // a path that the guest bound a socket to, where no mount is writable
};

// Where a guest path leads.
struct location {
  place where = place::nowhere;
  std::string path;                    // canonical guest path
  const mount_point* mount = nullptr;  // of mounted and creatable
  unique_fd object;                    // O_PATH; empty when `node` is it
  node_ptr node;                       // in the mount's memory
  struct stat status {};               // of `object` or `node`
  const synthetic_file* file = nullptr;
  int process = 0;  // another process, whose `file` it is
};

// The directory that holds a name, for calls that change it.
struct parent_location {
  const mount_point* mount = nullptr;
  unique_fd directory;  // O_PATH; empty when `folder` is it
  node_ptr folder;      // in the mount's memory
  std::string name;     // one component
  std::string path;     // canonical guest path of the whole
  bool slash = false;   // the path ended in '/': only a directory will do
};

// A host file or folder that lies in the tree.
struct file_root {
  int fd = -1;  // O_PATH; the tree's
  bool writable = false;
  bool directory = false;
};

// Immutable after creation; thread-safe.
class file_tree final {
 public:
  file_tree() = default;
  // Opens every mount's host path. Error: errc::bad_policy, with the mount's name and the errno's text.
  static result<std::shared_ptr<file_tree>> create(const policy& granted);
  // The closure's files are added where no mount has a file; `taken` gets those.
  static result<std::shared_ptr<file_tree>> create(const policy& granted, open_closure& closure,
                                                   std::vector<library_grant>& taken);

  // Resolves `path` (relative ones against the canonical `base`). 0, also for what is nowhere; else -errno.
  std::int64_t find(call_context& ctx, std::string_view base, std::string_view path, bool follow_last,
                    location& out) const;
  // For create, unlink, rename and the like. -EROFS (and a denial) for mounts that are read-only; -ENOENT...
  std::int64_t find_parent(call_context& ctx, std::string_view base, std::string_view path,
                           parent_location& out) const;
  // Whether the program's loader looks there by itself: a folder that RPATH or RUNPATH names, its variants
  // for newer CPUs, or a library that is needed in one of them.
  bool loader_probes(std::string_view path) const;
  std::vector<file_root> roots() const;
  // The mount of files in memory that the guest has changed; empty: there is none.
  std::string changed_in_memory() const;
  // Names in a synthetic directory.
  std::vector<std::string> list(std::string_view directory) const;

 private:
  const mount_point* mount_of(std::string_view path) const;
  result<void> add_host_mount(const mount& m);
  result<void> add_memory_tree(const memory_tree& t);
  result<void> add_scratch(const tmpfs& t);
  result<mount_point> new_point(const std::string& guest_path) const;
  void add_closure(open_closure& closure, std::vector<library_grant>& taken);
  std::int64_t find_quietly(call_context& ctx, std::string_view base, std::string_view path, bool follow_last,
                            location& out) const;
  // One step: `path` is canonical but for its last component, which is not followed.
  std::int64_t look_up(call_context& ctx, const std::string& path, location& out) const;
  bool look_up_process(call_context& ctx, const std::string& path, location& out) const;
  std::int64_t look_up_task(call_context& ctx, const std::string& path, location& out) const;
  std::int64_t link_target(call_context& ctx, const location& at, std::string& target) const;
  std::int64_t find_unchecked(std::string_view base, std::string_view path, bool follow_last,
                              location& out) const;

  std::vector<mount_point> mounts_;  // longest guest path first
  std::set<std::string, std::less<>> directories_;
  std::set<std::string, std::less<>> searched_, needed_;  // of the closure
};

// `path` cut down to its parent: "/a/b" -> "/a", "/a" -> "/".
std::string_view parent_path(std::string_view path) noexcept;
std::string join_path(std::string_view directory, std::string_view name);
// Tells the recorder, if there is one, that the guest used what it called `asked`; `object` is what that is.
void note_use(call_context& ctx, const std::string& asked, const unique_fd& object, file_use use,
              bool folder);
// The N of a canonical "/proc/self/fd/N"; -1 for other text.
int descriptor_number(std::string_view path);
// The N of a canonical "/proc/N" or of what lies in it; -1 for other text.
int process_number(std::string_view path);

}  // namespace osvm::unikernel
