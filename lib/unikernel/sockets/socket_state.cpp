#include "unikernel/sockets/socket_state.hpp"

#include "unikernel/instance_state.hpp"

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace osvm::unikernel {
namespace {

template <class T>
std::vector<std::byte> bytes_of(const T& value, std::size_t size = sizeof(T)) {
  std::vector<std::byte> out(size);
  std::memcpy(out.data(), &value, size);
  return out;
}

}  // namespace

bool parse_address(std::span<const std::byte> bytes, int family, guest_address& out) {
  const auto take = [&](auto& raw, std::size_t least) {
    if (bytes.size() < least) return false;
    std::memcpy(&raw, bytes.data(), std::min(bytes.size(), sizeof raw));
    return true;
  };
  out = {.family = family};
  if (family == AF_INET) {
    sockaddr_in raw{};
    if (!take(raw, sizeof raw) || raw.sin_family != AF_INET) return false;
    std::memcpy(out.ip.data(), &raw.sin_addr, 4);
    out.port = ntohs(raw.sin_port);
    return true;
  }
  if (family == AF_INET6) {
    sockaddr_in6 raw{};
    constexpr std::size_t without_scope = 24;
    if (!take(raw, without_scope) || raw.sin6_family != AF_INET6) return false;
    std::memcpy(out.ip.data(), &raw.sin6_addr, 16);
    out.port = ntohs(raw.sin6_port);
    return true;
  }
  sockaddr_vm raw{};
  if (family != AF_VSOCK || !take(raw, sizeof raw) || raw.svm_family != AF_VSOCK) return false;
  out.cid = raw.svm_cid;
  out.port = raw.svm_port;
  return true;
}

std::vector<std::byte> encode_address(const guest_address& address) {
  if (address.family == AF_INET) {
    sockaddr_in raw{};
    raw.sin_family = AF_INET;
    raw.sin_port = htons(static_cast<std::uint16_t>(address.port));
    std::memcpy(&raw.sin_addr, address.ip.data(), 4);
    return bytes_of(raw);
  }
  if (address.family == AF_INET6) {
    sockaddr_in6 raw{};
    raw.sin6_family = AF_INET6;
    raw.sin6_port = htons(static_cast<std::uint16_t>(address.port));
    std::memcpy(&raw.sin6_addr, address.ip.data(), 16);
    return bytes_of(raw);
  }
  if (address.family == AF_VSOCK) {
    sockaddr_vm raw{};
    raw.svm_family = AF_VSOCK;
    raw.svm_cid = address.cid;
    raw.svm_port = address.port;
    return bytes_of(raw);
  }
  const sa_family_t unnamed = AF_UNIX;
  return bytes_of(unnamed);
}

socket_state::~socket_state() {
  if (!bound_path.empty()) {
    struct stat st;
    // Only what bind() made: somebody may have put another file there.
    if (::lstat(bound_path.c_str(), &st) == 0 && st.st_dev == bound_device && st.st_ino == bound_inode)
      ::unlink(bound_path.c_str());
  }
  if (host && host_alive.lock()) host->unlisten_vsock(local.port);
}

std::shared_ptr<socket_state> socket_of(const descriptor& d) {
  if (d.what->kind != file_kind::socket) return nullptr;
  return std::static_pointer_cast<socket_state>(d.what->extra);
}

std::shared_ptr<description> describe_socket(std::shared_ptr<socket_state> state, bool nonblocking) {
  auto what = std::make_shared<description>();
  what->kind = file_kind::socket;
  what->socket_io = true;
  what->nonblocking = nonblocking;
  what->connected = state->phase == socket_phase::connected;
  what->extra = std::move(state);
  return what;
}

std::int64_t load_address(call_context& ctx, std::uint64_t va, std::uint64_t size, int family,
                          guest_address& out) {
  std::array<std::byte, sizeof(sockaddr_storage)> bytes{};
  const auto length = static_cast<int>(size);
  if (length < 0 || static_cast<std::size_t>(length) > bytes.size()) return -EINVAL;
  if (!memory_access(ctx.memory).read(va, bytes.data(), static_cast<std::size_t>(length))) return -EFAULT;
  sa_family_t named = AF_UNSPEC;
  if (static_cast<std::size_t>(length) < sizeof named) return -EINVAL;
  std::memcpy(&named, bytes.data(), sizeof named);
  if (named != family) return -EAFNOSUPPORT;
  return parse_address(std::span(bytes).first(static_cast<std::size_t>(length)), family, out) ? 0 : -EINVAL;
}

std::int64_t store_address(call_context& ctx, const guest_address& address, std::uint64_t va,
                           std::uint64_t size_va) {
  const auto bytes = encode_address(address);
  memory_access memory(ctx.memory);
  int room = 0;
  if (!memory.read(size_va, room)) return -EFAULT;
  if (room < 0) return -EINVAL;
  const auto length = static_cast<int>(bytes.size());
  if (!memory.write(va, bytes.data(), static_cast<std::size_t>(std::min(room, length)))) return -EFAULT;
  return memory.write(size_va, length) ? 0 : -EFAULT;
}

}  // namespace osvm::unikernel
