// Waiting until a release has nothing in flight; what is left at the deadline is cut.
#pragma once

#include "hotswap/proxy/state.hpp"

namespace osvm::hotswap::detail {

void start_drain(proxy_state& state, std::shared_ptr<target> what, std::chrono::nanoseconds deadline,
                 boost::asio::any_completion_handler<void(result<drain_report>)> handler);

}  // namespace osvm::hotswap::detail
