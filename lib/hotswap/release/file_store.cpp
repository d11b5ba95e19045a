#include "hotswap/release/journal.hpp"

#include <osvm/core/unique_fd.hpp>
#include <osvm/hotswap/release_store.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <mutex>

namespace osvm::hotswap {
namespace {

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

result<void> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write " + path);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

result<unique_fd> take_lock(const std::string& path) {
  const std::string name = path + ".lock";
  unique_fd lock(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return errno_error("open " + name);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_error("lock " + name);
    return error(osvm::errc::busy, path + " is in use by another process");
  }
  return lock;
}

class file_store final : public release_store {
 public:
  file_store(std::string path, unique_fd lock)
      : path_(std::move(path)), next_(path_ + ".new"), lock_(std::move(lock)) {}

  result<std::optional<std::string>> load() override {
    unique_fd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd && errno == ENOENT) return std::optional<std::string>();
    if (!fd) return errno_error("open " + path_);
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return errno_error("stat " + path_);
    if (!S_ISREG(st.st_mode)) return error(osvm::errc::malformed, path_ + " is no regular file");
    std::string text(detail::max_journal + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
      const ssize_t n = ::read(fd.get(), text.data() + size, text.size() - size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("read " + path_);
      if (n == 0) break;
      size += static_cast<std::size_t>(n);
    }
    if (size > detail::max_journal) return error(osvm::errc::limit_exceeded, path_ + " is no journal");
    text.resize(size);
    return std::optional<std::string>(std::move(text));
  }

  // The folder is synced too: a rename that only the cache knows of is none.
  result<void> save(std::string_view document) override {
    std::lock_guard hold(mutex_);
    if (given_) return error(osvm::errc::closed, path_ + " was handed over to another process");
    if (!lock_) {
      OSVM_TRY(lock_, take_lock(path_));
    }
    const int how = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    unique_fd fd(::open(next_.c_str(), how, 0600));
    if (!fd) return errno_error("open " + next_);
    OSVM_CHECK(write_all(fd.get(), document, next_));
    if (::fchmod(fd.get(), 0600) != 0 || ::fsync(fd.get()) != 0) return errno_error("sync " + next_);
    unique_fd folder(::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return errno_error("open the folder of " + path_);
    if (::rename(next_.c_str(), path_.c_str()) != 0) return errno_error("rename to " + path_);
    if (::fsync(folder.get()) != 0) return errno_error("sync the folder of " + path_);
    return {};
  }

  void let_go() override {
    std::lock_guard hold(mutex_);
    lock_.reset();
    given_ = true;
  }
  result<void> take_back() override {
    std::lock_guard hold(mutex_);
    given_ = false;  // when the other one still has it, the next save() tries again
    if (lock_) return {};
    OSVM_TRY(lock_, take_lock(path_));
    return {};
  }

 private:
  std::string path_, next_;
  std::mutex mutex_;
  unique_fd lock_;
  bool given_ = false;
};

}  // namespace

result<std::shared_ptr<release_store>> open_file_store(std::string path) {
  OSVM_TRY(auto lock, take_lock(path));
  return std::shared_ptr<release_store>(std::make_shared<file_store>(std::move(path), std::move(lock)));
}

}  // namespace osvm::hotswap
