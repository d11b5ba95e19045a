#include <osvm/ledger/rpc_server.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>

namespace osvm::ledger {
namespace {

struct parsed_address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

result<parsed_address> parse_address(std::string_view text) {
  const auto colon = text.rfind(':');
  const error bad(osvm::errc::invalid_argument, "an address looks like 127.0.0.1:8899 or [::1]:8899");
  if (colon == std::string_view::npos) return bad;
  std::uint16_t port = 0;
  const auto digits = text.substr(colon + 1);
  const auto [end, e] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (e != std::errc{} || end != digits.data() + digits.size() || digits.empty()) return bad;
  std::string host(text.substr(0, colon));
  parsed_address out;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);  // sockaddr_storage is made to hold any of them
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.size = sizeof(sockaddr_in6);
    if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return bad;
    return out;
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(port);
  out.size = sizeof(sockaddr_in);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) return bad;
  return out;
}

}  // namespace

result<unique_fd> listen_tcp(std::string_view address) {
  OSVM_TRY(const auto parsed, parse_address(address));
  unique_fd fd(::socket(parsed.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket");
  const int on = 1;
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&parsed.storage), parsed.size) != 0)
    return errno_error("listening on " + std::string(address));
  if (::listen(fd.get(), 512) != 0) return errno_error("listening on " + std::string(address));
  return fd;
}

result<std::string> local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return errno_error("getsockname");
  char host[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
    return "[" + std::string(host) + "]:" + std::to_string(ntohs(v6->sin6_port));
  }
  if (storage.ss_family != AF_INET) return error(osvm::errc::unsupported, "not a TCP socket");
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
  ::inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
  return std::string(host) + ":" + std::to_string(ntohs(v4->sin_port));
}

}  // namespace osvm::ledger
