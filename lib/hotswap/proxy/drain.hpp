// Waiting until a release has nothing in flight; what is left at the deadline is cut.
#pragma once

#include "hotswap/proxy/pool.hpp"

namespace osvm::hotswap::detail {

void start_drain(const std::shared_ptr<pool>& of, const executor& ex, std::shared_ptr<target> what,
                 std::chrono::nanoseconds deadline,
                 boost::asio::any_completion_handler<void(result<drain_report>)> handler);

}  // namespace osvm::hotswap::detail
