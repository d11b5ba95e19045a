// One blocking HTTP request, for benches that time a first answer and for checks that a server is alive.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <chrono>
#include <string>

namespace osvm::cli {

// The body of a 200 answer to GET `path`. Other statuses are errc::denied, a cut answer is errc::truncated.
result<std::string> http_get(const endpoint& where, const std::string& path,
                             std::chrono::milliseconds timeout);

}  // namespace osvm::cli
