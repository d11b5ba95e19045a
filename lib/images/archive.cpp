#include "images/archive.hpp"

#include <osvm/core/text.hpp>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace osvm::images {
namespace {

namespace fs = std::filesystem;

struct free_archive {
  void operator()(archive* a) const noexcept { archive_read_free(a); }
};

std::string text_of(const char* s) {
  return s ? s : "";
}

error archive_error(archive* a, const std::string& path) {
  return error(errc::malformed, path + ": " + printable(text_of(archive_error_string(a))));
}

source_type type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return source_type::file;
    case S_IFDIR: return source_type::folder;
    case S_IFLNK: return source_type::link;
    default: return source_type::other;
  }
}

result<void> visit_file(const std::string& path, const source_entry& e, const entry_visitor& visit) {
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK));
  if (!fd) return errno_error(path);
  std::string buffer(256 << 10, '\0');
  return visit(e, [&]() -> result<std::string_view> {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0) return errno_error(path);
    return std::string_view(buffer.data(), static_cast<std::size_t>(n));
  });
}

}  // namespace

result<void> read_tar(const std::string& path, const entry_visitor& visit) {
  const std::unique_ptr<archive, free_archive> a(archive_read_new());
  if (!a) throw std::bad_alloc();
  archive_read_support_filter_gzip(a.get());
  archive_read_support_filter_xz(a.get());
  archive_read_support_filter_zstd(a.get());
  archive_read_support_format_tar(a.get());
  if (archive_read_open_filename(a.get(), path.c_str(), 256 << 10) != ARCHIVE_OK)
    return archive_error(a.get(), path);
  archive_entry* raw = nullptr;
  for (;;) {
    const int r = archive_read_next_header(a.get(), &raw);
    if (r == ARCHIVE_EOF) return {};
    if (r != ARCHIVE_OK && r != ARCHIVE_WARN) return archive_error(a.get(), path);
    source_entry e;
    e.path = text_of(archive_entry_pathname(raw));
    e.type = type_of(archive_entry_filetype(raw));
    e.mode = archive_entry_perm(raw);
    e.mtime = archive_entry_mtime(raw);
    e.size = static_cast<std::uint64_t>(std::max<la_int64_t>(archive_entry_size(raw), 0));
    e.target = text_of(archive_entry_symlink(raw));
    if (const char* hard = archive_entry_hardlink(raw)) {
      e.type = source_type::hard_link;
      e.target = hard;
    }
    std::string buffer(256 << 10, '\0');
    OSVM_CHECK(visit(e, [&]() -> result<std::string_view> {
      const la_ssize_t n = archive_read_data(a.get(), buffer.data(), buffer.size());
      if (n < 0) return archive_error(a.get(), path);
      return std::string_view(buffer.data(), static_cast<std::size_t>(n));
    }));
  }
}

result<void> read_folder(const std::string& path, const entry_visitor& visit) {
  std::error_code ec;
  fs::recursive_directory_iterator at(path, ec), end;
  if (ec) return error(error_code(ec.value(), boost::system::system_category()), path);
  for (; at != end; at.increment(ec)) {
    const std::string full = at->path().string();
    struct stat st {};
    if (::lstat(full.c_str(), &st) != 0) return errno_error(full);
    source_entry e;
    e.path = at->path().lexically_relative(path).string();
    e.type = type_of(st.st_mode);
    e.mode = st.st_mode & 07777U;
    e.mtime = st.st_mtim.tv_sec;
    e.size = static_cast<std::uint64_t>(st.st_size);
    if (e.type == source_type::link) e.target = fs::read_symlink(at->path(), ec).string();
    if (e.type == source_type::file) {
      OSVM_CHECK(visit_file(full, e, visit));
    } else {
      OSVM_CHECK(visit(e, [] { return result<std::string_view>(std::string_view()); }));
    }
  }
  if (ec) return error(error_code(ec.value(), boost::system::system_category()), path);
  return {};
}

}  // namespace osvm::images
