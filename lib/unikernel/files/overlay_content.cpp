// Contents of the overlay's files: from the source, copied when they are to change.
#include "unikernel/files/overlay.hpp"
#include "unikernel/files/overlay_node.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <cerrno>

namespace osvm::unikernel {
namespace {

struct open_token {
  node_ptr node;
  explicit open_token(node_ptr n) : node(std::move(n)) {}
  ~open_token() {
    const std::lock_guard guard(node->lock);
    if (--node->opened == 0) node->put_away();
  }
  open_token(const open_token&) = delete;
  open_token& operator=(const open_token&) = delete;
};

// A descriptor of its own, with its own position.
std::int64_t reopen(const unique_fd& file, int flags, unique_fd& out) {
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  out.reset(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK));
  if (out) return 0;
  return errno == EMFILE ? -ENFILE : -errno;
}

std::int64_t copy_content(const unique_fd& from, const unique_fd& to, std::uint64_t size) {
  off_t at = 0;
  while (static_cast<std::uint64_t>(at) < size) {
    const ssize_t n = ::sendfile(to.get(), from.get(), &at, size - static_cast<std::uint64_t>(at));
    if (n <= 0) return n < 0 ? -errno : -EIO;
  }
  return 0;
}

}  // namespace

bool overlay::is_pristine(const node_ptr& node) {
  const std::lock_guard guard(node->lock);
  return node->form == content_form::source;
}

std::int64_t overlay::open_sealed(const node_ptr& file, opened_node& out, std::string& broken) {
  auto content = source_->open(file->entry);
  if (!content) {
    if (content.error().code == boost::system::errc::too_many_files_open) return -ENFILE;
    broken = content.error().to_string();
    return -EIO;
  }
  out.sealed = true;
  return reopen(**content, O_RDONLY, out.host);
}

// The quota is asked first and given back when another thread was faster, since its lock comes before a
// node's.
std::int64_t overlay::own_content(const node_ptr& file, bool empty, std::string& broken) {
  changed_.store(true, std::memory_order_release);
  if (!is_pristine(file)) return 0;
  const std::uint64_t size = empty ? 0 : file->source_size;
  const std::uint64_t charge = size + (file->counted ? 0 : name_bytes);
  if (!quota_->take(charge)) return -ENOSPC;
  opened_node sealed;
  unique_fd copy;
  std::int64_t r = size != 0 ? open_sealed(file, sealed, broken) : 0;
  if (r == 0) {
    copy.reset(::memfd_create("osvm-file", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    r = !copy ? (errno == EMFILE ? -ENFILE : -errno) : size != 0 ? copy_content(sealed.host, copy, size) : 0;
  }
  bool used = false;
  if (r == 0) {
    const std::lock_guard guard(file->lock);
    if (file->form == content_form::source) {
      (void)::futimens(copy.get(), file->times.data());
      file->file = std::move(copy);
      file->form = content_form::file;
      used = true;
    }
  }
  if (used) {
    count(file);
  } else {
    quota_->give_back(charge);
  }
  return r;
}

std::int64_t overlay::open(const node_ptr& file, int flags, opened_node& out, std::string& broken) {
  const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
  if (!writes && is_pristine(file)) return open_sealed(file, out, broken);
  if (const auto r = own_content(file, (flags & O_TRUNC) != 0, broken); r < 0) return r;
  const std::lock_guard guard(file->lock);
  if (const auto r = file->to_file(); r < 0) return r;
  if (const auto r = reopen(file->file, flags & (O_ACCMODE | O_TRUNC), out.host); r < 0) return r;
  ++file->opened;
  out.token = std::make_shared<open_token>(file);
  return 0;
}

void overlay::set_times(const node_ptr& node, const std::array<timespec, 2>& times) {
  changed_.store(true, std::memory_order_release);
  const std::lock_guard guard(node->lock);
  if (node->form == content_form::file) {
    (void)::futimens(node->file.get(), times.data());
    return;
  }
  timespec now{};
  (void)::clock_gettime(CLOCK_REALTIME, &now);
  for (std::size_t i = 0; i < 2; ++i) {
    if (times[i].tv_nsec == UTIME_OMIT) continue;
    node->times[i] = times[i].tv_nsec == UTIME_NOW ? now : times[i];
  }
}

}  // namespace osvm::unikernel
