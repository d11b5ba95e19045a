// Files, folders and devices of a template: opened anew by their names.
#include "unikernel/files/descriptor.hpp"
#include "unikernel/files/open.hpp"
#include "unikernel/process/process_state.hpp"
#include "unikernel/snapshot/descriptors.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace osvm::unikernel {
namespace {

int open_flags(const description& what) {
  if (what.path_only) return O_PATH;
  int flags = what.readable && what.writable ? O_RDWR : what.writable ? O_WRONLY : O_RDONLY;
  if (what.kind == file_kind::directory) flags |= O_DIRECTORY;
  if (what.append) flags |= O_APPEND;
  return flags;
}

result<std::shared_ptr<descriptor>> open_again(call_context& ctx, const std::string& path, int flags) {
  const std::int64_t number = open_path(ctx, {.base = "/", .path = path, .flags = flags | O_CLOEXEC});
  if (number < 0) return errno_error(path, static_cast<int>(-number));
  return ctx.process.descriptors.remove(static_cast<int>(number));
}

}  // namespace

result<saved_file> save_file(const descriptor& d) {
  saved_file out;
  out.path = d.what->guest_path;
  out.flags = open_flags(*d.what);
  if (out.path.ends_with(" (deleted)")) return cannot_snapshot("a file without a name: " + out.path);
  struct stat st {};
  // What the VMM makes up has another inode each time.
  if (d.host && !d.what->synthetic && !d.what->node && d.what->kind != file_kind::calls &&
      ::fstat(d.host.get(), &st) == 0) {
    out.device = st.st_dev;
    out.inode = st.st_ino;
  }
  if (d.host && !d.what->path_only && d.what->kind != file_kind::device && d.what->kind != file_kind::calls)
    out.offset = std::max<off_t>(::lseek(d.host.get(), 0, SEEK_CUR), 0);
  if (d.what->kind == file_kind::directory && d.what->extra)
    out.position = std::static_pointer_cast<directory_listing>(d.what->extra)->position;
  return out;
}

result<std::shared_ptr<const file_backing>> restore_backing(call_context& ctx, const saved_backing& saved) {
  OSVM_TRY(auto d, open_again(ctx, saved.path, O_RDONLY));
  struct stat st {};
  if (!d->host || ::fstat(d->host.get(), &st) != 0) return cannot_snapshot(saved.path + " cannot be mapped");
  const std::int64_t modified =
      static_cast<std::int64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + st.st_mtim.tv_nsec;
  if (st.st_ino != saved.inode || static_cast<std::uint64_t>(st.st_size) != saved.size ||
      modified != saved.modified_ns) {
    return cannot_snapshot(saved.path +
                           ", which is mapped, is another file now than when the template was made");
  }
  auto file = std::make_shared<file_backing>();
  file->host = d->host.get();
  file->path = saved.path;
  file->device = st.st_dev;
  file->inode = st.st_ino;
  file->trusted = saved.trusted && (!d->what->changeable || d->what->sealed);
  file->owner = std::move(d);
  return std::shared_ptr<const file_backing>(std::move(file));
}

result<std::shared_ptr<descriptor>> restore_file(call_context& ctx, const saved_file& saved) {
  OSVM_TRY(auto d, open_again(ctx, saved.path, saved.flags));
  struct stat st {};
  if (saved.inode != 0 &&
      (::fstat(d->host.get(), &st) != 0 || st.st_dev != saved.device || st.st_ino != saved.inode)) {
    return cannot_snapshot(saved.path + " is another file now than when the template was made");
  }
  if (saved.offset != 0 && ::lseek(d->host.get(), saved.offset, SEEK_SET) < 0) return errno_error(saved.path);
  if (d->what->kind == file_kind::directory && d->what->extra)
    std::static_pointer_cast<directory_listing>(d->what->extra)->position = saved.position;
  return d;
}

}  // namespace osvm::unikernel
