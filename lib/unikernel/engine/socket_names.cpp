#include "unikernel/engine/socket_names.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace osvm::unikernel {

std::string tcp_socket_name(const std::string& dir, const std::string& name, std::uint32_t id,
                            std::uint16_t port) {
  return fmt::format("{}/{}-{:08x}-tcp-{}.sock", dir, name, id, port);
}

std::string vsock_socket_name(const std::string& dir, const std::string& name) {
  return fmt::format("{}/{}.vsock", dir, name);
}

endpoint listening_endpoint(const listener& which, const std::string& dir, const std::string& name,
                            std::uint32_t id) {
  if (which.kind == transport::vsock) return hybrid_endpoint{vsock_socket_name(dir, name), which.port};
  return unix_endpoint{tcp_socket_name(dir, name, id, static_cast<std::uint16_t>(which.port))};
}

void remove_socket(const endpoint& gone) noexcept {
  if (const auto* socket = std::get_if<unix_endpoint>(&gone)) (void)::unlink(socket->path.c_str());
  if (const auto* hybrid = std::get_if<hybrid_endpoint>(&gone)) (void)::unlink(hybrid->path.c_str());
}

}  // namespace osvm::unikernel
