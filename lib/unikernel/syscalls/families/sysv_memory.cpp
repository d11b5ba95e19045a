// shmget and its relatives: shared memory by key, inside one instance.
#include "unikernel/files/attributes.hpp"
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/memory/segments.hpp"
#include "unikernel/syscalls/arguments.hpp"
#include "unikernel/syscalls/mapping.hpp"

#include <sys/mman.h>
#include <sys/shm.h>

#include <ctime>

namespace osvm::unikernel {
namespace {

std::int64_t make_segment(call_context& ctx, key_t key, std::uint64_t size, int flags) {
  // Its pages count when they are touched; more than all memory is refused now, as by a small shmmax.
  if (size == 0) return -EINVAL;
  if (size > ctx.instance.budgets.memory_bytes && ctx.instance.rules.memory_budget) return -ENOSPC;
  segment_table::segment s;
  s.memory = make_memory_file(ctx, size, "/SYSV" + std::to_string(key) + " (deleted)");
  if (!s.memory) return no_descriptor();
  s.about.shm_segsz = size;
  s.about.shm_cpid = ctx.process.pid;
  s.about.shm_ctime = ::time(nullptr);
  auto& who = s.about.shm_perm;
  who.uid = who.cuid = guest_uid;
  who.gid = who.cgid = guest_gid;
  who.mode = static_cast<decltype(who.mode)>(flags & 0777);
  return ctx.instance.segments.add(key, std::move(s));
}

std::int64_t sys_shmget(call_context& ctx) {
  const key_t key = int_arg(ctx, 0);
  const std::uint64_t size = ctx.args[1];
  const int flags = int_arg(ctx, 2);
  if (flags & SHM_HUGETLB) return ctx.instance.deny("shmget with huge pages", "unsupported", ENOMEM);
  for (;;) {
    if (const auto id = ctx.instance.segments.find(key)) {
      if ((flags & IPC_CREAT) && (flags & IPC_EXCL)) return -EEXIST;
      const auto s = ctx.instance.segments.get(*id);
      if (s) return size > s->about.shm_segsz ? -EINVAL : *id;
    }
    if (key != IPC_PRIVATE && !(flags & IPC_CREAT)) return -ENOENT;
    const std::int64_t made = make_segment(ctx, key, size, flags);
    if (made != -EEXIST) return made;  // else another thread was faster
  }
}

std::int64_t attach(call_context& ctx, int id, const segment_table::segment& s, map_request r) {
  r.size = s.about.shm_segsz;
  r.shared = true;
  const std::int64_t at = map_open_file(ctx, r, s.memory, 0);
  if (at < 0) return at == -EEXIST ? -EINVAL : at;
  const auto before =
      ctx.instance.segments.attached({&ctx.memory, static_cast<std::uint64_t>(at)}, {id, page_ceil(r.size)});
  if (before) ctx.instance.segments.release(before->id, ctx.process.pid);
  return at;
}

std::int64_t sys_shmat(call_context& ctx) {
  const int id = int_arg(ctx, 0), flags = int_arg(ctx, 2);
  const std::uint64_t wanted = flags & SHM_RND ? page_floor(ctx.args[1]) : ctx.args[1];
  if (wanted % page_size) return -EINVAL;
  if ((flags & SHM_REMAP) && wanted == 0) return -EINVAL;
  if (flags & SHM_EXEC) return ctx.instance.deny("shmat, executable", "never granted: map a file", EACCES);
  const auto s = id < 0 ? std::nullopt : ctx.instance.segments.get(id);
  if (!s) return -EINVAL;
  if (!ctx.instance.segments.hold(id, ctx.process.pid)) return -ENOMEM;
  map_request r;
  r.address = wanted;
  r.protection = flags & SHM_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE;
  r.fixed = wanted != 0;
  r.no_replace = r.fixed && !(flags & SHM_REMAP);
  const std::int64_t at = attach(ctx, id, *s, r);
  if (at < 0) ctx.instance.segments.release(id, ctx.process.pid);
  return at;
}

bool still_mapped(const call_context& ctx, std::uint64_t at, const segment_table::attachment& what) {
  const auto s = ctx.instance.segments.get(what.id);
  for (const auto& file : ctx.memory.shared_files(at, page_size))
    if (s && file->host == s->memory->host.get()) return true;
  return false;
}

std::int64_t sys_shmdt(call_context& ctx) {
  const auto what = ctx.instance.segments.detach({&ctx.memory, ctx.args[0]});
  if (!what) return -EINVAL;
  // By munmap the pages may have gone before, and others may be there now.
  const bool there = still_mapped(ctx, ctx.args[0], *what);
  const std::int64_t r = there ? ctx.memory.unmap(ctx.args[0], what->size) : -EINVAL;
  ctx.instance.segments.release(what->id, ctx.process.pid);
  return r;
}

std::int64_t sys_shmctl(call_context& ctx) {
  constexpr int ipc_64 = 0x100;
  const int id = int_arg(ctx, 0), command = int_arg(ctx, 1) & ~ipc_64;
  const auto s = id < 0 ? std::nullopt : ctx.instance.segments.get(id);
  switch (command) {
    case IPC_STAT: return !s ? -EINVAL : store(ctx, ctx.args[2], s->about) ? 0 : -EFAULT;
    case IPC_RMID: return ctx.instance.segments.remove(id) ? 0 : -EINVAL;
    case SHM_LOCK:
    case SHM_UNLOCK: return s ? 0 : -EINVAL;
    case IPC_SET: {
      shmid_ds wanted{};
      if (!load(ctx, ctx.args[2], wanted)) return -EFAULT;
      return ctx.instance.segments.change(id, wanted.shm_perm) ? 0 : -EINVAL;
    }
    default: return ctx.instance.deny("shmctl " + std::to_string(command), "", EINVAL);
  }
}

constexpr syscall_entry sysv_memory_entries[] = {
    {29, "shmget", call<sys_shmget>, capability::always, "ilx"},
    {30, "shmat", call<sys_shmat>, capability::always, "ipx"},
    {31, "shmctl", call<sys_shmctl>, capability::always, "iiP"},
    {67, "shmdt", call<sys_shmdt>, capability::always, "p"},
};

}  // namespace

extern const syscall_family sysv_memory_family;
const syscall_family sysv_memory_family{"sysv_memory", sysv_memory_entries};

}  // namespace osvm::unikernel
