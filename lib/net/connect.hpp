// A URL becomes a connected stream.
#pragma once

#include <osvm/net/dial.hpp>

#include "net/watchdog.hpp"

namespace osvm::net {

// On the coroutine's strand. The watchdog guards every step; the options' connect_timeout is on top of it.
asio::awaitable<result<std::unique_ptr<stream>>> connect_stream(url where, dial_options options,
                                                                std::shared_ptr<watchdog> dog);

}  // namespace osvm::net
