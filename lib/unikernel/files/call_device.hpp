// /dev/osvm: a guest reads the embedder's calls there and writes its answers.
#pragma once

#include "unikernel/files/transfer.hpp"

namespace osvm::unikernel {

// One request a read, one answer a write. -EMSGSIZE: the buffer is too small; the request stays.
std::int64_t read_call(call_context& ctx, descriptor& d, std::span<const guest_range> to);
std::int64_t write_answer(call_context& ctx, std::span<const guest_range> from);

}  // namespace osvm::unikernel
