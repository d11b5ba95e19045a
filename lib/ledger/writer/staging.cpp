#include "staging.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

namespace osvm::ledger {

namespace fs = std::filesystem;

namespace {

unique_fd open_staging(const std::string& path) {
  return unique_fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

// renameat2(RENAME_NOREPLACE): musl's headers lack its declaration, and some filesystems (NFS, 9p, older
// ones) the operation.
int rename_new(const std::string& from, const std::string& to) {
#ifdef RENAME_NOREPLACE
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) return -1;
#endif
  return ::rename(from.c_str(), to.c_str());  // replaces an empty folder at most
}

}  // namespace

result<staging_folder> staging_folder::create(const std::string& target) {
  fs::path at = fs::path(target).lexically_normal();
  if (!at.has_filename()) at = at.parent_path();
  struct ::stat st {};
  if (::lstat(at.c_str(), &st) == 0) return error(osvm::errc::busy, at.string() + " exists already");
  const auto folder = at.has_parent_path() ? at.parent_path() : fs::path(".");
  const auto path = (folder / ("." + at.filename().string() + ".part")).string();
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (::mkdir(path.c_str(), 0755) == 0) {
      auto lock = open_staging(path);
      if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return errno_error(path);
      return staging_folder(at.string(), path, std::move(lock));
    }
    if (errno != EEXIST) return errno_error(path);
    const auto other = open_staging(path);
    if (!other) return errno_error(path);
    if (::flock(other.get(), LOCK_EX | LOCK_NB) != 0)
      return error(osvm::errc::busy, "another process is writing " + at.string());
    std::error_code failed;
    fs::remove_all(path, failed);
    if (failed) return error(failed, path);
  }
  return error(osvm::errc::busy, path);
}

staging_folder::~staging_folder() {
  if (!lock_) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

result<> staging_folder::make(const std::string& name) {
  if (::mkdirat(lock_.get(), name.c_str(), 0755) != 0) return errno_error(name);
  return {};
}

result<> staging_folder::write(const std::string& name, bytes_view bytes) {
  const unique_fd fd(::openat(lock_.get(), name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return errno_error(name);
  while (!bytes.empty()) {
    const auto n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(name);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  if (::fsync(fd.get()) != 0) return errno_error(name);
  return {};
}

result<> staging_folder::publish() {
  if (::fsync(lock_.get()) != 0) return errno_error(path_);
  if (rename_new(path_, target_) != 0) return errno_error(target_);
  lock_.reset();
  const auto parent = fs::path(target_).parent_path();
  const auto above = open_staging(parent.empty() ? "." : parent.string());
  if (above) (void)::fsync(above.get());
  return {};
}

}  // namespace osvm::ledger
