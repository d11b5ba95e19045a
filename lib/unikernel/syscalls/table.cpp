#include "unikernel/instance_state.hpp"
#include "unikernel/syscalls/syscall.hpp"
#include "unikernel/trace/traced.hpp"

#include <array>
#include <cerrno>

namespace osvm::unikernel {
namespace {

// Built once, from data only: no state of any instance.
std::array<const syscall_entry*, max_syscall_number> build() noexcept {
  std::array<const syscall_entry*, max_syscall_number> table{};
  for (const syscall_family* family : syscall_families()) {
    for (const syscall_entry& e : family->entries) {
      if (e.number < table.size()) table[e.number] = &e;
    }
  }
  return table;
}

bool granted(const instance_state& s, capability needs) noexcept {
  switch (needs) {
    case capability::always: return true;
    case capability::files: return !s.policy.mounts.empty();
    case capability::listen: return !s.policy.listen.empty();
    case capability::connect: return !s.policy.vsock_connect.empty();
    case capability::jit: return s.policy.allow.jit;
  }
  return false;
}

const char* rule_of(capability needs) noexcept {
  switch (needs) {
    case capability::always: return "";
    case capability::files: return "--ro HOST:GUEST";
    case capability::listen: return "--publish HOST:PORT=guest:PORT";
    case capability::connect: return "--allow vsock:PORT";
    case capability::jit: return "--allow jit";
  }
  return "";
}

std::int64_t serve(call_context& ctx, std::uint64_t number) noexcept {
  const syscall_entry* e = find_syscall(number);
  if (!e) return -ENOSYS;
  if (!granted(ctx.instance, e->needs)) return ctx.instance.deny(e->name, rule_of(e->needs), EPERM);
  return e->call(ctx);
}

}  // namespace

const syscall_entry* find_syscall(std::uint64_t number) noexcept {
  static const auto table = build();
  return number < table.size() ? table[number] : nullptr;
}

std::int64_t dispatch(call_context& ctx, std::uint64_t number) noexcept {
  if (number < max_syscall_number) {
    ctx.instance.syscall_counts[number].fetch_add(1, std::memory_order_relaxed);
  } else {
    ctx.instance.unknown_syscalls.fetch_add(1, std::memory_order_relaxed);
  }
  if (ctx.instance.tracing) [[unlikely]]
    return traced(ctx, number, serve);
  return serve(ctx, number);
}

}  // namespace osvm::unikernel
