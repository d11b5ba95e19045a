#include <osvm/core/text.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <arpa/inet.h>

#include <charconv>
#include <limits>

namespace osvm {
namespace {

constexpr std::size_t max_endpoint_text = 4096 + 32;

error bad(std::string_view text, const char* what) {
  return {errc::invalid_argument, "endpoint '" + printable(text, 80) + "': " + what +
                                      " (try tcp:127.0.0.1:80, unix:/path or hybrid:/path:52)"};
}

template <class T>
bool parse_number(std::string_view text, T& out) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool is_address(int family, const std::string& host) {
  in6_addr scratch;
  return ::inet_pton(family, host.c_str(), &scratch) == 1;
}

result<endpoint> parse_tcp(std::string_view whole, std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad(whole, "the port is missing");
  tcp_endpoint out;
  if (!parse_number(text.substr(colon + 1), out.port)) return bad(whole, "the port is no number up to 65535");
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  out.host = host;
  if (!is_address(bracketed ? AF_INET6 : AF_INET, out.host)) {
    return bad(whole, "the host is no IPv4 address and no [IPv6] address");
  }
  return endpoint(std::move(out));
}

result<endpoint> parse_hybrid(std::string_view whole, std::string_view text) {
  const auto colon = text.rfind(':');
  hybrid_endpoint out;
  if (colon == std::string_view::npos || !parse_number(text.substr(colon + 1), out.port) ||
      out.port == std::numeric_limits<std::uint32_t>::max()) {
    return bad(whole, "the vsock port is no number below 2^32 - 1");
  }
  out.path = text.substr(0, colon);
  if (out.path.empty()) return bad(whole, "the socket's path is missing");
  return endpoint(std::move(out));
}

}  // namespace

result<endpoint> parse_endpoint(std::string_view text) {
  if (text.size() > max_endpoint_text) return bad(text, "too long");
  if (text.find('\0') != std::string_view::npos) return bad(text, "contains a NUL byte");
  if (text.starts_with("unix:")) {
    if (text.size() == 5) return bad(text, "the socket's path is missing");
    return endpoint(unix_endpoint{std::string(text.substr(5))});
  }
  if (text.starts_with("hybrid:")) return parse_hybrid(text, text.substr(7));
  return parse_tcp(text, text.starts_with("tcp:") ? text.substr(4) : text);
}

std::string to_string(const endpoint& where) {
  if (const auto* tcp = std::get_if<tcp_endpoint>(&where)) {
    const bool v6 = tcp->host.find(':') != std::string::npos;
    return "tcp:" + (v6 ? "[" + tcp->host + "]" : tcp->host) + ":" + std::to_string(tcp->port);
  }
  if (const auto* path = std::get_if<unix_endpoint>(&where)) return "unix:" + path->path;
  const auto& hybrid = std::get<hybrid_endpoint>(where);
  return "hybrid:" + hybrid.path + ":" + std::to_string(hybrid.port);
}

}  // namespace osvm
