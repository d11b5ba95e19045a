// execve and execveat.
#include "unikernel/process/program.hpp"

#include "unikernel/files/attributes.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>

namespace osvm::unikernel {
namespace {

constexpr std::size_t max_strings = 65536;
constexpr std::size_t max_string = 128 << 10;  // MAX_ARG_STRLEN
constexpr std::size_t max_string_bytes =
    2 << 20;  // of arguments and environment together, as an 8 MiB stack has

// A null-terminated array of strings. `bytes` counts what both arrays hold.
std::int64_t load_strings(call_context& ctx, std::uint64_t va, std::size_t& bytes,
                          std::vector<std::string>& out) {
  for (; va != 0; va += 8) {
    std::uint64_t at = 0;
    if (!load(ctx, va, at)) return -EFAULT;
    if (at == 0) return 0;
    std::string s;
    const int r = memory_access(ctx.memory).read_string(at, max_string, s);
    if (r < 0) return r == -ENAMETOOLONG ? -E2BIG : r;
    bytes += s.size() + 1 + sizeof at;
    if (bytes > max_string_bytes || out.size() == max_strings) return -E2BIG;
    out.push_back(std::move(s));
  }
  return 0;
}

std::int64_t run(call_context& ctx, const std::string& base, const std::string& path, std::uint64_t argv,
                 std::uint64_t envp) {
  program_start p;
  std::size_t bytes = path.size() + 1;
  if (const auto r = load_strings(ctx, argv, bytes, p.arguments); r < 0) return r;
  if (const auto r = load_strings(ctx, envp, bytes, p.environment); r < 0) return r;
  if (p.arguments.empty()) p.arguments.emplace_back();  // as Linux since 5.18
  if (const auto r = find_program(ctx, base, path, p); r < 0) return r;
  return ctx.process.host.run_program(p, ctx.thread);
}

std::string directory_of(call_context& ctx) {
  const std::lock_guard guard(ctx.process.cwd_lock);
  return ctx.process.working_directory;
}

std::int64_t sys_execve(call_context& ctx) {
  std::string path;
  if (const int r = load_path(ctx, ctx.args[0], path); r < 0) return r;
  return run(ctx, directory_of(ctx), path, ctx.args[1], ctx.args[2]);
}

std::int64_t sys_execveat(call_context& ctx) {
  std::string path;
  const int flags = int_arg(ctx, 4);
  if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) return -EINVAL;
  if (const int r = load_path(ctx, ctx.args[1], path); r < 0) return r;
  if (path.starts_with('/') || int_arg(ctx, 0) == AT_FDCWD)
    return run(ctx, directory_of(ctx), path, ctx.args[2], ctx.args[3]);
  const auto d = descriptor_arg(ctx);
  if (!d) return -EBADF;
  if (path.empty()) {
    if (!(flags & AT_EMPTY_PATH)) return -ENOENT;
    return run(ctx, "/", d->what->guest_path, ctx.args[2], ctx.args[3]);
  }
  if (d->what->kind != file_kind::directory) return -ENOTDIR;
  return run(ctx, d->what->guest_path, path, ctx.args[2], ctx.args[3]);
}

constexpr syscall_entry programs_entries[] = {
    {59, "execve", call<sys_execve>, capability::always, "spp"},
    {322, "execveat", call<sys_execveat>, capability::always, "fsppx"},
};

}  // namespace

extern const syscall_family programs_family;
const syscall_family programs_family{"programs", programs_entries};

}  // namespace osvm::unikernel
