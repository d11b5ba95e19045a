// A system call that is served under a trace.
#pragma once

#include "unikernel/syscalls/syscall.hpp"

namespace osvm::unikernel {

// Runs `serve` (lookup, policy, handler) and tells the instance's event channel what was asked and answered.
std::int64_t traced(call_context& ctx, std::uint64_t number,
                    std::int64_t (*serve)(call_context&, std::uint64_t) noexcept) noexcept;

}  // namespace osvm::unikernel
