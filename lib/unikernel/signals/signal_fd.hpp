// Reading from a signalfd.
#pragma once

#include "unikernel/files/transfer.hpp"

namespace osvm::unikernel {

std::int64_t read_signals(call_context& ctx, descriptor& d, std::span<const guest_range> to);

}  // namespace osvm::unikernel
