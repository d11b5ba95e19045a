// The worker's side: one instance, run in this process for the handle at the other end of a socket.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

namespace osvm::unikernel {

// Serves until the other end is gone; then the guest is over and all of it is freed. The only thing that its
// process does. Blocks. Errors: what the other end must hear but cannot (it broke the protocol).
result<void> serve_instance(unique_fd socket);

}  // namespace osvm::unikernel
