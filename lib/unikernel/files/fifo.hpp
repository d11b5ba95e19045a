// FIFOs: names below writable mounts that stand for a pipe. The pipe is the instance's own: the name, even
// where it lies in a folder of the host, joins processes of one instance and nobody else. It is there while
// somebody has an end open; what nobody read is gone then, as on Linux.
#pragma once

#include "unikernel/files/fifo_table.hpp"
#include "unikernel/files/tree.hpp"

namespace osvm::unikernel {

// mknod(): a FIFO at a name. 0 or -errno.
std::int64_t make_fifo(call_context& ctx, const parent_location& where, mode_t bits);
// Whether it is the instance's own: those that the host made are never opened.
bool is_own_fifo(call_context& ctx, const location& at);
// Opens an end of such a one, waiting for the other one as open(2) has it; fills `what`.
std::int64_t open_fifo_end(call_context& ctx, location& at, description& what, unique_fd& host);
// Before and after a name in a folder of the host goes: the FIFO that it stood for, if it was its last.
fifo_table::file_id fifo_about_to_go(call_context& ctx, const parent_location& where);

}  // namespace osvm::unikernel
