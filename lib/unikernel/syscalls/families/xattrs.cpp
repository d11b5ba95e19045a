// Extended attributes: files of a guest have none, and cannot get any (security.* on the host could change
// what other programs may do). Asking is answered as a file system without them does.
#include "unikernel/files/attributes.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/syscalls/arguments.hpp"

namespace osvm::unikernel {
namespace {

template <bool Follow>
std::int64_t named(call_context& ctx) {
  std::string path, base;
  if (const int r = load_path(ctx, ctx.args[0], path); r < 0) return r;
  if (const std::int64_t r = base_of(ctx, -100 /* AT_FDCWD */, path, base); r < 0) return r;
  location at;
  if (const std::int64_t r = ctx.instance.files->find(ctx, base, path, Follow, at); r < 0) return r;
  if (at.where == place::nowhere) return deny_path(ctx, "xattr", at.path);
  return at.where == place::creatable ? -ENOENT : 0;
}

std::int64_t opened(call_context& ctx) {
  return descriptor_arg(ctx) ? 0 : -EBADF;
}

// The file must exist; then there is nothing of the kind.
template <std::int64_t (*Find)(call_context&), std::int64_t Answer>
std::int64_t answer(call_context& ctx) {
  const std::int64_t r = Find(ctx);
  return r < 0 ? r : Answer;
}

constexpr std::int64_t none = -EOPNOTSUPP;

constexpr syscall_entry xattrs_entries[] = {
    {188, "setxattr", call<answer<named<true>, none>>, capability::always, "sspli"},
    {189, "lsetxattr", call<answer<named<false>, none>>, capability::always, "sspli"},
    {190, "fsetxattr", call<answer<opened, none>>, capability::always, "fspli"},
    {191, "getxattr", call<answer<named<true>, none>>, capability::always, "ssPl"},
    {192, "lgetxattr", call<answer<named<false>, none>>, capability::always, "ssPl"},
    {193, "fgetxattr", call<answer<opened, none>>, capability::always, "fsPl"},
    {194, "listxattr", call<answer<named<true>, 0>>, capability::always, "sPl"},
    {195, "llistxattr", call<answer<named<false>, 0>>, capability::always, "sPl"},
    {196, "flistxattr", call<answer<opened, 0>>, capability::always, "fPl"},
    {197, "removexattr", call<answer<named<true>, none>>, capability::always, "ss"},
    {198, "lremovexattr", call<answer<named<false>, none>>, capability::always, "ss"},
    {199, "fremovexattr", call<answer<opened, none>>, capability::always, "fs"},
};

}  // namespace

extern const syscall_family xattrs_family;
const syscall_family xattrs_family{"xattrs", xattrs_entries};

}  // namespace osvm::unikernel
