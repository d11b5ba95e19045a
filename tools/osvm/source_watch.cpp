#include "source_watch.hpp"

#include <osvm/core/text.hpp>

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string_view>

namespace osvm::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_folders = 10'000;
constexpr int settled_ms = 100;    // without a change: whoever wrote is done
constexpr int longest_waits = 20;  // ... or never is
constexpr std::uint32_t changes =
    IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;

bool matters(const inotify_event& e) {
  if ((e.mask & (IN_ISDIR | IN_Q_OVERFLOW)) != 0) return true;
  if (e.len == 0) return false;
  const std::string_view name(e.name, ::strnlen(e.name, e.len));
  return name.ends_with(".rs") || name == "Cargo.toml" || name == "Cargo.lock";
}

// Everything that is queued; true when something of it matters.
bool drain(int fd) {
  alignas(inotify_event) char buffer[16384];
  bool any = false;
  for (;;) {
    const auto n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) return any;
    for (ssize_t at = 0; at < n;) {
      inotify_event e;
      std::memcpy(&e, buffer + at, sizeof e);
      any = any || matters(*reinterpret_cast<const inotify_event*>(buffer + at));
      at += static_cast<ssize_t>(sizeof e + e.len);
    }
  }
}

bool left_out(const std::string& name) {
  return name.starts_with('.') || name == "target" || name == "node_modules";
}

}  // namespace

result<source_watch> source_watch::of(const std::string& path) {
  unique_fd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return errno_error("inotify");
  std::error_code e;
  fs::path root = path;
  if (!fs::is_directory(root, e)) root = root.has_parent_path() ? root.parent_path() : fs::path(".");
  std::size_t folders = 0;
  const auto add = [&](const fs::path& folder) -> result<void> {
    if (++folders > most_folders) return error(errc::limit_exceeded, "--watch: more than 10,000 folders");
    // A folder that went in between is seen by its parent.
    if (::inotify_add_watch(fd.get(), folder.c_str(), changes) < 0 && errno != ENOENT && errno != ENOTDIR)
      return errno_error(printable(folder.string()));
    return {};
  };
  OSVM_CHECK(add(root));
  auto it = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, e);
  for (; !e && it != fs::recursive_directory_iterator(); it.increment(e)) {
    if (!fs::is_directory(it->symlink_status(e))) continue;
    if (left_out(it->path().filename().string())) {
      it.disable_recursion_pending();
      continue;
    }
    OSVM_CHECK(add(it->path()));
  }
  return source_watch(std::move(fd));
}

result<bool> source_watch::wait(int stop) const {
  for (;;) {
    pollfd both[2] = {{fd_.get(), POLLIN, 0}, {stop, POLLIN, 0}};
    if (::poll(both, 2, -1) < 0 && errno != EINTR) return errno_error("poll");
    if (both[1].revents != 0) return false;
    if (both[0].revents == 0 || !drain(fd_.get())) continue;
    pollfd more{fd_.get(), POLLIN, 0};
    for (int i = 0; i<longest_waits&& ::poll(&more, 1, settled_ms)> 0; ++i) drain(fd_.get());
    return true;
  }
}

}  // namespace osvm::cli
