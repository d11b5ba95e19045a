#include "private_dir.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace osvm::cli {
namespace {

result<void> check_own_folder(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return errno_error("stat " + path);
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077) != 0) {
    return error(errc::denied,
                 path + " is not a folder of mode 0700 that belongs to you (try: rm -r " + path + ")");
  }
  return {};
}

// Another user could have made the folder first, as a trap: below /tmp anybody may.
result<void> make_own_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("mkdir " + path);
  return check_own_folder(path);
}

constexpr const char* lock_name = "/.lock";

// "run-Ab3xYz", as mkdtemp() makes them below: `base` may hold what is not ours to remove.
bool is_own_name(std::string_view name) {
  const auto dash = name.rfind('-');
  return dash != std::string_view::npos && dash > 0 && name.size() - dash == 7;
}

// Removes what killed processes left in `base`: folders of our names whose lock nobody holds, and empty ones,
// whose maker did not get as far as the lock. The caller holds the lock of `base`, so no folder is half made.
void sweep(const std::string& base) {
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(base, ec)) {
    std::error_code ignored;
    if (!is_own_name(entry.path().filename().string()) || !entry.is_directory(ignored) ||
        entry.is_symlink(ignored))
      continue;
    const auto path = entry.path().string();
    const unique_fd lock(::open((path + lock_name).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!lock) {
      ::rmdir(path.c_str());
    } else if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
      std::filesystem::remove_all(path, ignored);
    }
  }
}

}  // namespace

std::string private_dir::base() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime != nullptr && runtime[0] == '/' ? std::string(runtime) + "/osvm"
                                                 : "/tmp/osvm-" + std::to_string(::geteuid());
}

result<bool> private_dir::has_base() {
  const auto own = check_own_folder(base());
  if (!own && own.error().code == boost::system::errc::no_such_file_or_directory) return false;
  if (!own) return own.error();
  return true;
}

result<std::vector<std::string>> private_dir::living() {
  std::vector<std::string> out;
  OSVM_TRY(const bool any, has_base());
  std::error_code failed;
  if (!any) return out;
  for (std::filesystem::directory_iterator at(base(), failed), end; !failed && at != end;
       at.increment(failed)) {
    if (!is_own_name(at->path().filename().string())) continue;
    auto path = at->path().string();
    const unique_fd lock(::open((path + lock_name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      out.push_back(std::move(path));
  }
  return out;
}

result<private_dir> private_dir::make(const std::string& name) {
  return make_in(base(), name);
}

result<private_dir> private_dir::make_in(const std::string& base, const std::string& name) {
  OSVM_CHECK(make_own_folder(base));
  const unique_fd guard(::open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!guard || ::flock(guard.get(), LOCK_EX) != 0) return errno_error("lock " + base);
  sweep(base);
  std::string path = base + "/" + name + "-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return errno_error("make a folder in " + base);
  unique_fd lock(::open((path + lock_name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return errno_error("lock " + path);
  return private_dir(std::move(path), std::move(lock));
}

private_dir::~private_dir() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace osvm::cli
