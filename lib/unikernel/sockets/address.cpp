#include "unikernel/sockets/address.hpp"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);
constexpr ip_bytes any_ip{}, v6_loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr std::size_t mapped_prefix = 12;  // ::ffff:0:0/96

bool is_mapped(const guest_address& a) noexcept {
  static constexpr std::array<std::uint8_t, mapped_prefix> prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return a.family == AF_INET6 && std::equal(prefix.begin(), prefix.end(), a.ip.begin());
}

template <class T>
std::vector<std::byte> bytes_of(const T& value, std::size_t size = sizeof(T)) {
  std::vector<std::byte> out(size);
  std::memcpy(out.data(), &value, size);
  return out;
}

// A path ends at its first NUL, an abstract name with the address.
bool parse_unix(std::span<const std::byte> bytes, guest_address& out) {
  if (bytes.size() < path_offset || bytes.size() > sizeof(sockaddr_un)) return false;
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + path_offset;
  const std::size_t size = bytes.size() - path_offset;
  out.name.assign(text, size != 0 && *text != 0 ? ::strnlen(text, size) : size);
  return true;
}

std::vector<std::byte> encode_unix(const std::string& name) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  const std::size_t size = std::min(name.size(), sizeof raw.sun_path);
  std::memcpy(raw.sun_path, name.data(), size);
  const bool path = size != 0 && name.front() != 0 && size < sizeof raw.sun_path;
  return bytes_of(raw, path_offset + size + (path ? 1 : 0));
}

}  // namespace

bool is_any(const guest_address& a) noexcept {
  return plain(a).ip == any_ip;
}

bool is_loopback(const guest_address& a) noexcept {
  const guest_address p = plain(a);
  return p.family == AF_INET ? p.ip[0] == 127 : p.ip == v6_loopback;
}

guest_address loopback(int family, std::uint32_t port) {
  guest_address a{.family = family, .port = port};
  if (family == AF_INET) a.ip = {127, 0, 0, 1};
  if (family == AF_INET6) a.ip = v6_loopback;
  return a;
}

guest_address plain(guest_address a) noexcept {
  if (!is_mapped(a)) return a;
  ip_bytes v4{};
  std::copy_n(a.ip.begin() + mapped_prefix, 4, v4.begin());
  a.ip = v4;
  a.family = AF_INET;
  return a;
}

guest_address as_seen_by(int family, guest_address a) noexcept {
  a = plain(std::move(a));
  if (a.ip == any_ip) a = loopback(a.family, a.port);
  if (a.family == family || family != AF_INET6) return a;
  ip_bytes v6{};
  v6[10] = v6[11] = 0xff;
  std::copy_n(a.ip.begin(), 4, v6.begin() + mapped_prefix);
  a.ip = v6;
  a.family = AF_INET6;
  return a;
}

std::string to_text(const guest_address& a) {
  const std::string port = std::to_string(a.port);
  char text[INET6_ADDRSTRLEN] = {};
  switch (a.family) {
    case AF_INET: return ::inet_ntop(AF_INET, a.ip.data(), text, sizeof text) + (":" + port);
    case AF_INET6:
      return "[" + std::string(::inet_ntop(AF_INET6, a.ip.data(), text, sizeof text)) + "]:" + port;
    case AF_UNIX: return a.name.starts_with('\0') ? "unix:@" + a.name.substr(1) : "unix:" + a.name;
    default: return std::to_string(a.cid) + ":" + port;
  }
}

bool parse_address(std::span<const std::byte> bytes, int family, guest_address& out) {
  const auto take = [&](auto& raw, std::size_t least) {
    if (bytes.size() < least) return false;
    std::memcpy(&raw, bytes.data(), std::min(bytes.size(), sizeof raw));
    return true;
  };
  out = {.family = family};
  sa_family_t named = AF_UNSPEC;
  if (!take(named, sizeof named) || named != family) return false;
  if (family == AF_INET) {
    sockaddr_in raw{};
    if (!take(raw, sizeof raw)) return false;
    std::memcpy(out.ip.data(), &raw.sin_addr, 4);
    out.port = ntohs(raw.sin_port);
    return true;
  }
  if (family == AF_INET6) {
    sockaddr_in6 raw{};
    constexpr std::size_t without_scope = 24;
    if (!take(raw, without_scope)) return false;
    std::memcpy(out.ip.data(), &raw.sin6_addr, 16);
    out.port = ntohs(raw.sin6_port);
    return true;
  }
  if (family == AF_UNIX) return parse_unix(bytes, out);
  if (family == AF_NETLINK) {
    sockaddr_nl raw{};
    if (!take(raw, sizeof raw)) return false;
    out.cid = raw.nl_pid;
    out.port = raw.nl_groups;
    return true;
  }
  sockaddr_vm raw{};
  if (family != AF_VSOCK || !take(raw, sizeof raw)) return false;
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
  if (address.family == AF_NETLINK) {
    sockaddr_nl raw{};
    raw.nl_family = AF_NETLINK;
    raw.nl_pid = address.cid;
    return bytes_of(raw);
  }
  return encode_unix(address.name);
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
  if (named != family) return family == AF_UNIX || family == AF_NETLINK ? -EINVAL : -EAFNOSUPPORT;
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
