#include "unikernel/files/quota.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <vector>

namespace osvm::unikernel {
namespace {

struct close_directory {
  void operator()(DIR* d) const noexcept { ::closedir(d); }
};

struct measured {
  std::uint64_t bytes = 0, names = 0;
};

int open_folder(int root, const std::string& relative) noexcept {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, root, relative.c_str(), &how, sizeof how));
}

// One folder; those inside it are appended to `todo` by their path from the root, so that few are open at
// once. What vanishes meanwhile counts as nothing.
void measure_one(int root, const std::string& path, measured& sum, std::vector<std::string>& todo,
                 std::uint64_t most_names) {
  const int fd = open_folder(root, path);
  if (fd < 0) return;
  const std::unique_ptr<DIR, close_directory> dir(::fdopendir(fd));
  if (!dir) {
    ::close(fd);
    return;
  }
  while (const dirent* e = ::readdir(dir.get())) {
    if (std::strcmp(e->d_name, ".") == 0 || std::strcmp(e->d_name, "..") == 0) continue;
    if (++sum.names > most_names) return;
    sum.bytes += name_bytes;
    struct stat st {};
    if (::fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(st.st_mode)) sum.bytes += static_cast<std::uint64_t>(st.st_size);
    if (S_ISDIR(st.st_mode)) todo.push_back(path + "/" + e->d_name);
  }
}

}  // namespace

result<std::uint64_t> measure_folder(int folder, std::uint64_t most_names) {
  if (const unique_fd probe(open_folder(folder, ".")); !probe)
    return errno_error("measure a mount with a quota");
  std::vector<std::string> todo{"."};
  measured sum;
  while (!todo.empty()) {
    const std::string next = std::move(todo.back());
    todo.pop_back();
    measure_one(folder, next, sum, todo, most_names);
    if (sum.names > most_names) {
      return error(osvm::errc::limit_exceeded, "a mount with a quota holds too many names to measure");
    }
  }
  return sum.bytes;
}

result<std::shared_ptr<quota_account>> quota_account::open(const unique_fd& folder, std::uint64_t limit) {
  OSVM_TRY(const std::uint64_t used, measure_folder(folder.get()));
  auto kept = std::make_shared<unique_fd>(folder.duplicate());
  return std::make_shared<quota_account>([kept] { return measure_folder(kept->get()); }, limit, used);
}

bool quota_account::take(std::uint64_t bytes) noexcept {
  try {
    const std::lock_guard guard(lock_);
    if (used_ + bytes < used_) return false;
    if (used_ + bytes > limit_) {
      const auto now = measure_();
      if (!now) return false;
      used_ = *now;
      if (bytes > limit_ || used_ > limit_ - bytes) return false;
    }
    used_ += bytes;
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void quota_account::give_back(std::uint64_t bytes) noexcept {
  const std::lock_guard guard(lock_);
  used_ -= std::min(used_, bytes);
}

}  // namespace osvm::unikernel
