// Where on the host an instance's sockets lie.
#pragma once

#include <osvm/unikernel/policy.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <string>

namespace osvm::unikernel {

// Instances of one name may share a folder: `id` tells their TCP listeners apart.
std::string tcp_socket_name(const std::string& dir, const std::string& name, std::uint32_t id,
                            std::uint16_t port);
// The hybrid socket; what the guest connects to is "<it>_PORT".
std::string vsock_socket_name(const std::string& dir, const std::string& name);
endpoint listening_endpoint(const listener& which, const std::string& dir, const std::string& name,
                            std::uint32_t id);
// Removes the file of a socket that nobody serves any more.
void remove_socket(const endpoint& gone) noexcept;

}  // namespace osvm::unikernel
