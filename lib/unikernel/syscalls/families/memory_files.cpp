// memfd_create: files in the host's memory, charged to the guest's memory budget by the pages that they hold.
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <sys/mman.h>

namespace osvm::unikernel {
namespace {

constexpr std::size_t max_name = 249;

std::int64_t sys_memfd_create(call_context& ctx) {
  std::string name;
  if (const int r = memory_access(ctx.memory).read_string(ctx.args[0], max_name, name); r < 0)
    return r == -ENAMETOOLONG ? -EINVAL : r;
  constexpr unsigned known = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  constexpr unsigned no_exec_seal = 8, exec = 16;  // MFD_NOEXEC_SEAL, MFD_EXEC
  const unsigned flags = unsigned_arg(ctx, 1);
  if ((flags & ~(known | no_exec_seal | exec)) != 0) return -EINVAL;
  const unsigned sealing = flags & (MFD_ALLOW_SEALING | no_exec_seal) ? MFD_ALLOW_SEALING : 0U;
  unique_fd host(::memfd_create("osvm-guest", MFD_CLOEXEC | sealing));
  if (!host) return no_descriptor();
  auto what = std::make_shared<description>();
  what->kind = file_kind::memory;
  what->extra = memory_charge::take(ctx, 0);
  what->guest_path = "/memfd:" + name + " (deleted)";
  if (!what->extra) return -ENOMEM;
  return install(ctx, std::move(what), std::move(host), (flags & MFD_CLOEXEC) != 0);
}

constexpr syscall_entry memory_files_entries[] = {
    {319, "memfd_create", call<sys_memfd_create>, capability::always, "sx"},
};

}  // namespace

extern const syscall_family memory_files_family;
const syscall_family memory_files_family{"memory_files", memory_files_entries};

}  // namespace osvm::unikernel
