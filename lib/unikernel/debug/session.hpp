// One debugger on one target, over a connected stream socket.
#pragma once

#include "unikernel/debug/target.hpp"

#include <osvm/core/error.hpp>

namespace osvm::unikernel {

// Serves until the debugger detaches or goes, or the target has ended: then it is told how. The target stands
// still when this begins, and is left standing: the caller lets it go. Blocks. The connection is borrowed;
// its end (shutdown(2), also by another thread) ends the session. Errors: errc::protocol_error.
result<void> serve_debugger(debug_target& target, int connection);

}  // namespace osvm::unikernel
