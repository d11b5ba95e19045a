// Which system calls a poller may serve while the guest waits in its stub.
#pragma once

#include "unikernel/syscalls/syscall.hpp"

namespace osvm::unikernel {

// True: the call changes nothing of the thread but its result, and when it would have to wait it has done
// nothing yet, so that it can be made again behind an exit.
bool may_be_polled(call_context& ctx, std::uint64_t number) noexcept;

}  // namespace osvm::unikernel
