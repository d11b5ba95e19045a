#include "hotswap/proxy/client_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace osvm::hotswap::detail {
namespace {

constexpr std::array<std::uint8_t, 12> v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

client_address client_address::of(const sockaddr_storage& from) noexcept {
  client_address a;
  if (from.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &from, sizeof in);
    std::copy(v4_prefix.begin(), v4_prefix.end(), a.ip.begin());
    std::memcpy(a.ip.data() + 12, &in.sin_addr, 4);
    a.port = ntohs(in.sin_port);
  } else if (from.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &from, sizeof in);
    std::memcpy(a.ip.data(), &in.sin6_addr, 16);
    a.port = ntohs(in.sin6_port);
  }
  return a;
}

bool client_address::v4() const noexcept {
  return std::equal(v4_prefix.begin(), v4_prefix.end(), ip.begin());
}

std::string client_address::text() const {
  if (!known()) return "unknown";
  char out[INET6_ADDRSTRLEN];
  const bool four = v4();
  ::inet_ntop(four ? AF_INET : AF_INET6, ip.data() + (four ? 12 : 0), out, sizeof out);
  return out;
}

}  // namespace osvm::hotswap::detail
