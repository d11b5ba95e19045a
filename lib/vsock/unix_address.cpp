#include "vsock/unix_address.hpp"

#include <fcntl.h>

#include <cstddef>
#include <cstring>

namespace osvm::vsock {

result<split_path> split_socket_path(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    return error(errc::invalid_argument, "socket path with a NUL byte");
  const auto slash = path.rfind('/');
  split_path out;
  out.folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  out.name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (out.name.empty() || out.name == "." || out.name == "..") {
    return error(errc::invalid_argument, "socket path '" + path + "' names no file");
  }
  if (out.name.size() > max_socket_name) {
    return error(errc::invalid_argument, "the socket's file name has " + std::to_string(out.name.size()) +
                                             " bytes, at most " + std::to_string(max_socket_name) +
                                             " are possible");
  }
  return out;
}

result<unix_address> make_unix_address(const std::string& path) {
  OSVM_TRY(const auto parts, split_socket_path(path));
  unix_address out;
  std::string usable = path;
  if (path.size() >= sizeof(out.address.sun_path)) {
    out.folder.reset(::open(parts.folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!out.folder) return errno_error("open folder " + parts.folder);
    usable = "/proc/self/fd/" + std::to_string(out.folder.get()) + "/" + parts.name;
  }
  out.address.sun_family = AF_UNIX;
  std::memcpy(out.address.sun_path, usable.c_str(), usable.size() + 1);
  out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + usable.size() + 1);
  return out;
}

}  // namespace osvm::vsock
