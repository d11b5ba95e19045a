// Moving bytes between guest memory and a guest's descriptor.
#pragma once

#include "unikernel/files/quota.hpp"
#include "unikernel/instance_state.hpp"
#include "unikernel/syscalls/syscall.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <span>
#include <vector>

namespace osvm::unikernel {

// A piece of guest memory as an iovec names it; not checked yet.
struct guest_range {
  std::uint64_t address = 0;
  std::uint64_t size = 0;
};

// Copies an iovec array in, once. Total sizes are clamped to MAX_RW_COUNT as Linux does. 0, -EINVAL or
// -EFAULT.
std::int64_t copy_ranges(call_context& ctx, std::uint64_t va, std::uint64_t count,
                         std::vector<guest_range>& out);

// Host pieces of at most `limit` bytes of `ranges` behind the first `skip` bytes, for one host call. Returns
// the bytes covered; -EFAULT when nothing is accessible though something was asked for.
std::int64_t gather(memory_access& memory, std::span<const guest_range> ranges, std::uint64_t skip,
                    std::uint64_t limit, int right, std::vector<iovec>& out);

inline constexpr std::int64_t current_offset = -1;

// read(2) and write(2) in all their forms: blocks as the guest's descriptor says, through the thread's
// waiter.
std::int64_t transfer_in(call_context& ctx, descriptor& d, std::span<const guest_range> to,
                         std::int64_t offset);
std::int64_t transfer_out(call_context& ctx, descriptor& d, std::span<const guest_range> from,
                          std::int64_t offset);

// The size of a file, 0 of anything else.
std::int64_t file_size(const unique_fd& host) noexcept;

// Runs `change` (a host call), which makes a file of `size` bytes one of `wanted` bytes, against the quota of
// its mount (may be null): -ENOSPC when the growth does not fit.
template <class Change>
std::int64_t grow_file(call_context& ctx, quota_account* quota, std::int64_t size, std::int64_t wanted,
                       Change change) {
  const auto result = [&] {
    const long r = change();
    return r < 0 ? -static_cast<std::int64_t>(errno) : std::int64_t{r};
  };
  if (!quota || wanted <= size || !ctx.instance.rules.mount_quota) return result();
  const auto lock = quota->growing();
  if (!quota->take(static_cast<std::uint64_t>(wanted - size))) return -ENOSPC;
  const std::int64_t r = result();
  if (r < 0) quota->give_back(static_cast<std::uint64_t>(wanted - size));
  return r;
}

// Runs `write` (a host call that answers -errno), which puts at most `bytes` at `offset` (current_offset: the
// file's own position) of a file below a mount with a quota: what lies behind the file's end is growth. One
// writer at a time, so that two do not count the same bytes, or none.
template <class Write>
std::int64_t within_quota(call_context& ctx, const descriptor& d, std::int64_t offset, std::int64_t bytes,
                          Write write) {
  quota_account* quota = d.what->quota.get();
  if (!quota || !ctx.instance.rules.mount_quota) return write();
  const auto lock = quota->growing();
  const std::int64_t size = file_size(d.host);
  const std::int64_t at = d.what->append ? size : offset >= 0 ? offset : ::lseek(d.host.get(), 0, SEEK_CUR);
  const std::int64_t growth = std::max<std::int64_t>(0, at + bytes - size);
  if (growth > 0 && !quota->take(static_cast<std::uint64_t>(growth))) return -ENOSPC;
  const std::int64_t r = write();
  const std::int64_t grown = std::max<std::int64_t>(0, file_size(d.host) - size);
  if (grown < growth) quota->give_back(static_cast<std::uint64_t>(growth - grown));
  return r;
}

// After EPIPE or EFBIG the host leaves a signal pending on this thread (vCPU threads block all): takes it
// away.
void eat_signal(int signal) noexcept;

}  // namespace osvm::unikernel
