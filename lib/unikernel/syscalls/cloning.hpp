// clone(2) and clone3(2): what both families that serve them share.
#pragma once

#include "unikernel/process/process_host.hpp"
#include "unikernel/syscalls/syscall.hpp"

namespace osvm::unikernel {

struct clone_request {
  std::uint64_t flags = 0, stack = 0, parent_tid = 0, child_tid = 0, tls = 0, pidfd = 0;
};

// The context in which what is cloned starts: behind the call, with 0 as its result.
thread_start context_of(const call_context& ctx, const clone_request& c);
// A process: flags without CLONE_THREAD. Its pid, or -errno.
std::int64_t clone_process(call_context& ctx, const clone_request& c);
// A descriptor of a process that becomes readable when it has ended.
std::int64_t open_pidfd(call_context& ctx, int pid, bool nonblocking);

}  // namespace osvm::unikernel
