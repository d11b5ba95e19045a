#include "unikernel/files/overlay_node.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

namespace osvm::unikernel {
namespace {

constexpr off_t put_away_bytes = 64 << 10;

bool write_all(int fd, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

std::int64_t overlay_node::to_file() {
  if (form == content_form::file) return 0;
  unique_fd made(::memfd_create("osvm-file", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!made) return errno == EMFILE ? -ENFILE : -errno;
  if (!write_all(made.get(), content)) return -errno;
  (void)::futimens(made.get(), times.data());
  file = std::move(made);
  content = {};
  form = content_form::file;
  return 0;
}

void overlay_node::put_away() noexcept {
  struct stat st {};
  if (form != content_form::file || opened != 0 || ::fstat(file.get(), &st) != 0 ||
      st.st_size > put_away_bytes)
    return;
  try {
    std::string bytes(static_cast<std::size_t>(st.st_size), '\0');
    if (::pread(file.get(), bytes.data(), bytes.size(), 0) != st.st_size) return;
    content = std::move(bytes);
    times = {st.st_atim, st.st_mtim};
    form = content_form::bytes;
    file.reset();
  } catch (const std::bad_alloc&) {  // then it stays a file
  }
}

std::uint64_t overlay_node::own_bytes() {
  const std::lock_guard guard(lock);
  struct stat st {};
  switch (form) {
    case content_form::source: return 0;
    case content_form::bytes: return content.size();
    case content_form::file:
      // fallocate() takes memory behind the end, too.
      if (::fstat(file.get(), &st) != 0) return 0;
      return static_cast<std::uint64_t>(std::max<off_t>(st.st_size, st.st_blocks * off_t{512}));
  }
  return 0;
}

void overlay_node::touch() {
  const std::lock_guard guard(lock);
  (void)::clock_gettime(CLOCK_REALTIME, &times[1]);
}

}  // namespace osvm::unikernel
