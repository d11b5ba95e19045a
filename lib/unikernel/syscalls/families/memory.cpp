// mmap and its relatives: arguments and policy; the work is address_space's.
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/syscalls/arguments.hpp"
#include "unikernel/syscalls/mapping.hpp"

#include <osvm/core/bytes.hpp>

#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

namespace osvm::unikernel {
namespace {

constexpr int known_protection = PROT_READ | PROT_WRITE | PROT_EXEC;

bool may_execute(const call_context& ctx) noexcept {
  return ctx.instance.may_jit() || !ctx.instance.rules.write_xor_execute;
}

std::int64_t deny_execute(call_context& ctx, const char* what) {
  return ctx.instance.deny(what, "--allow jit", EACCES);
}

// Files that the guest cannot write to may be executed: their code came with the grant. Others are the
// guest's own data.
bool is_trusted(const description& w) noexcept {
  return w.kind == file_kind::regular && (!w.changeable || w.sealed) && !w.synthetic && !w.writable;
}

bool is_mappable(const descriptor& d, const struct stat& st) noexcept {
  const file_kind kind = d.what->kind;
  return S_ISREG(st.st_mode) &&
         (kind == file_kind::regular || kind == file_kind::stream || kind == file_kind::memory);
}

std::int64_t map_anonymous(call_context& ctx, map_request& request, int flags) {
  request.shared = (flags & MAP_TYPE) != MAP_PRIVATE;
  if (!request.shared) return ctx.memory.map(request);
  if (ctx.instance.budgets.processes > 1) {  // children will share it: a file that all of them map
    auto file = make_memory_file(ctx, request.size, "/dev/zero (deleted)");
    return file ? map_open_file(ctx, request, std::move(file), 0) : -ENOMEM;
  }
  request.name = "/dev/zero (deleted)";
  return ctx.memory.map(request);
}

// What the host would say to such a mapping of the file: seals, file systems without page cache.
std::int64_t try_on_host(const file_backing& file, int protection, std::uint64_t offset) {
  const int wanted = protection & PROT_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
  void* at = ::mmap(nullptr, page_size, wanted, MAP_SHARED, file.host, static_cast<off_t>(offset));
  if (at == MAP_FAILED) return -errno;
  (void)::munmap(at, page_size);
  return 0;
}

// What shared pages of a file may do, and what they cost. A mapping cannot make its file longer, so that the
// quota of a mount has nothing to say here.
std::int64_t share_file(call_context& ctx, file_backing& file, const std::shared_ptr<descriptor>& d,
                        const map_request& request) {
  description& w = *d->what;
  if ((request.protection & PROT_WRITE) && !w.writable) return -EACCES;
  file.writable = w.writable;
  if (w.writable && try_on_host(file, PROT_WRITE, request.file_offset) == -EPERM) file.writable = false;
  file.charged = w.kind == file_kind::memory;
  if (file.charged) {
    file.settle = [d] { settle_memory_file(*d); };
    file.may_map = [&state = ctx.instance](std::uint64_t) {
      return state.memory->bytes() + *state.object_bytes <= state.budgets.memory_bytes ||
             !state.rules.memory_budget;
    };
  } else if (w.counted) {
    file.may_map = [&state = ctx.instance](std::uint64_t bytes) { return state.charge_written(bytes); };
  }
  return try_on_host(file, request.protection, request.file_offset);
}

}  // namespace

// Private pages are read when they are touched; shared ones are the host's page cache.
std::int64_t map_open_file(call_context& ctx, map_request request, std::shared_ptr<descriptor> d,
                           std::uint64_t offset) {
  struct stat st {};
  if (!d->host || ::fstat(d->host.get(), &st) != 0 || !is_mappable(*d, st)) return -ENODEV;
  if (!d->what->readable) return -EACCES;
  if (request.size > user_end) return -ENOMEM;
  if (offset % page_size || offset > static_cast<std::uint64_t>(INT64_MAX) - page_ceil(request.size)) {
    return offset % page_size ? -EINVAL : -EOVERFLOW;
  }
  auto file = std::make_shared<file_backing>();
  // Learning with everything allowed: a file of the host is code as it would be under a read-only grant.
  file->trusted = is_trusted(*d->what) || (ctx.instance.everything_allowed &&
                                           d->what->kind == file_kind::regular && !d->what->writable);
  if ((request.protection & PROT_EXEC) && !file->trusted && !may_execute(ctx)) {
    return deny_execute(ctx, "mmap of a file, executable");
  }
  file->host = d->host.get();
  file->path = d->what->guest_path;
  file->device = st.st_dev;
  file->inode = st.st_ino;
  request.file_offset = offset;
  if (request.shared) {
    if (const std::int64_t r = share_file(ctx, *file, d, request); r < 0) return r;
  }
  file->owner = std::move(d);  // close() in the guest leaves the mapping
  request.file = std::move(file);
  return ctx.memory.map(request);
}

namespace {

std::int64_t map_file(call_context& ctx, map_request request, int fd, int flags, std::uint64_t offset) {
  auto d = ctx.process.descriptors.get(fd);
  if (!d || d->what->path_only) return -EBADF;
  if (d->what->kind == file_kind::device && d->what->guest_path == "/dev/zero")
    return map_anonymous(ctx, request, flags);
  request.shared = (flags & MAP_TYPE) != MAP_PRIVATE;
  return map_open_file(ctx, std::move(request), std::move(d), offset);
}

std::int64_t do_mmap(call_context& ctx) {
  const int protection = int_arg(ctx, 2);
  const int flags = int_arg(ctx, 3);
  const int type = flags & MAP_TYPE;
  if (protection & ~known_protection) return -EINVAL;
  if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE) return -EINVAL;
  if ((protection & PROT_EXEC) && (protection & PROT_WRITE) && !may_execute(ctx)) {
    return deny_execute(ctx, "mmap, writable and executable");
  }
  map_request r;
  r.address = ctx.args[0];
  r.size = ctx.args[1];
  r.protection = protection;
  r.fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
  r.no_replace = flags & MAP_FIXED_NOREPLACE;
  r.no_reserve = flags & MAP_NORESERVE;
  if (!(flags & MAP_ANONYMOUS)) return map_file(ctx, r, int_arg(ctx, 4), flags, ctx.args[5]);
  if ((protection & PROT_EXEC) && !may_execute(ctx)) return deny_execute(ctx, "mmap, executable");
  return map_anonymous(ctx, r, flags);
}

std::int64_t do_munmap(call_context& ctx) {
  return ctx.memory.unmap(ctx.args[0], ctx.args[1]);
}

std::int64_t do_mprotect(call_context& ctx) {
  const std::int64_t r = ctx.memory.protect(ctx.args[0], ctx.args[1], int_arg(ctx, 2) & ~PROT_GROWSDOWN,
                                            (int_arg(ctx, 2) & PROT_EXEC) != 0 && may_execute(ctx));
  return r == -EACCES && (int_arg(ctx, 2) & PROT_EXEC) ? deny_execute(ctx, "mprotect, executable") : r;
}

std::int64_t do_mremap(call_context& ctx) {
  return ctx.memory.remap(ctx.args[0], ctx.args[1], ctx.args[2], int_arg(ctx, 3), ctx.args[4]);
}

std::int64_t do_madvise(call_context& ctx) {
  return ctx.memory.advise(ctx.args[0], ctx.args[1], int_arg(ctx, 2));
}
std::int64_t do_brk(call_context& ctx) {
  return ctx.memory.set_break(ctx.args[0]);
}

// Pages are never swapped by us and locking them is the host's business: success without effect is what Linux
// gives to a process whose pages are resident anyway. Nothing to lock or to write back; a range that is not
// mapped is still an error, as on Linux.
std::int64_t only_check_range(call_context& ctx) {
  const std::uint64_t begin = page_floor(ctx.args[0]);
  std::uint64_t size = 0;
  if (!checked_add(ctx.args[1], ctx.args[0] - begin, size) || size > user_end) return -ENOMEM;
  return ctx.memory.advise(begin, size, MADV_NORMAL);
}

std::int64_t do_mlock(call_context& ctx) {
  return only_check_range(ctx);
}
std::int64_t do_mlock2(call_context& ctx) {
  constexpr int on_fault = 1;
  return int_arg(ctx, 2) & ~on_fault ? -EINVAL : only_check_range(ctx);
}
std::int64_t do_mlockall(call_context& ctx) {
  constexpr int known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
  const int flags = int_arg(ctx, 0);
  return flags == 0 || flags == MCL_ONFAULT || (flags & ~known) ? -EINVAL : 0;
}
std::int64_t do_munlockall(call_context&) {
  return 0;
}

// Only shared pages of files have a place to be written back to.
std::int64_t do_msync(call_context& ctx) {
  const int flags = int_arg(ctx, 2);
  constexpr int known = MS_ASYNC | MS_SYNC | MS_INVALIDATE;
  if (ctx.args[0] % page_size || (flags & ~known) || (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
    return -EINVAL;
  if (const std::int64_t r = only_check_range(ctx); r < 0 || !(flags & MS_SYNC)) return r;
  for (const auto& file : ctx.memory.shared_files(ctx.args[0], ctx.args[1])) {
    if (!file->charged && ::fdatasync(file->host) != 0 && errno != EROFS && errno != EINVAL) return -errno;
  }
  return 0;
}

// Which pages have memory: what a program learns of others' use of the page cache elsewhere, it does not
// here.
std::int64_t do_mincore(call_context& ctx) {
  const std::uint64_t begin = ctx.args[0];
  if (begin % page_size) return -EINVAL;
  if (begin > user_end || ctx.args[1] > user_end - begin) return -ENOMEM;
  const std::uint64_t end = begin + page_ceil(ctx.args[1]);
  constexpr std::uint64_t piece = 4096 * page_size;
  std::vector<unsigned char> pages;
  for (std::uint64_t at = begin; at < end; at += piece) {
    const std::uint64_t size = std::min(piece, end - at);
    if (const std::int64_t r = ctx.memory.residency(at, size, pages); r < 0) return r;
    const std::uint64_t to = ctx.args[2] + (at - begin) / page_size;
    if (!memory_access(ctx.memory).write(to, pages.data(), pages.size())) return -EFAULT;
  }
  return 0;
}

constexpr syscall_entry memory_entries[] = {
    {9, "mmap", call<do_mmap>, capability::always, "plxxfl"},
    {10, "mprotect", call<do_mprotect>, capability::always, "plx"},
    {11, "munmap", call<do_munmap>, capability::always, "pl"},
    {12, "brk", call<do_brk>, capability::always, "p"},
    {25, "mremap", call<do_mremap>, capability::always, "pllxp"},
    {26, "msync", call<do_msync>, capability::always, "plx"},
    {27, "mincore", call<do_mincore>, capability::always, "plP"},
    {28, "madvise", call<do_madvise>, capability::always, "pli"},
    {149, "mlock", call<do_mlock>, capability::always, "pl"},
    {150, "munlock", call<do_mlock>, capability::always, "pl"},
    {151, "mlockall", call<do_mlockall>, capability::always, "x"},
    {152, "munlockall", call<do_munlockall>},
    {325, "mlock2", call<do_mlock2>, capability::always, "plx"},
};

}  // namespace

extern const syscall_family memory_family;
const syscall_family memory_family{"memory", memory_entries};

}  // namespace osvm::unikernel
