#include <osvm/hotswap/gateway_host.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

namespace osvm::hotswap {

struct line_file::impl {
  std::string path;
  std::mutex mutex;
  unique_fd fd;
};

line_file::line_file(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
line_file::~line_file() = default;

result<std::unique_ptr<line_file>> line_file::open(const std::string& path) {
  auto i = std::make_unique<impl>();
  i->path = path;
  std::unique_ptr<line_file> made(new line_file(std::move(i)));
  OSVM_CHECK(made->reopen());
  return made;
}

result<void> line_file::reopen() {
  unique_fd fd(::open(impl_->path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!fd) return errno_error("open " + impl_->path);
  const std::lock_guard lock(impl_->mutex);
  impl_->fd = std::move(fd);
  return {};
}

void line_file::write(std::string_view lines) noexcept {
  const std::lock_guard lock(impl_->mutex);
  while (!lines.empty()) {
    const auto n = ::write(impl_->fd.get(), lines.data(), lines.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    lines.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace osvm::hotswap
