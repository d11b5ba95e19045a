#include "hotswap/proxy/proxy_header.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace osvm::hotswap::detail {
namespace {

using status = proxy_header::status;

constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view v1_start = "PROXY ";
constexpr std::size_t max_v1 = 107;  // with CRLF
constexpr std::size_t fixed_v2 = 16;

proxy_header wrong() {
  proxy_header h;
  h.state = status::wrong;
  return h;
}

// Takes the next word off the front; words are parted by exactly one space.
std::string_view word(std::string_view& rest) {
  const auto n = std::min(rest.find(' '), rest.size());
  const auto w = rest.substr(0, n);
  rest.remove_prefix(std::min(n + 1, rest.size()));
  return w;
}

bool read_ip(std::string_view text, bool four, client_address& out) {
  const std::string copy(text);  // inet_pton wants its end marked
  if (copy.find('\0') != std::string::npos) return false;
  std::uint8_t raw[16]{};
  if (::inet_pton(four ? AF_INET : AF_INET6, copy.c_str(), raw) != 1) return false;
  if (four) {
    out.ip = {};
    out.ip[10] = out.ip[11] = 0xff;
    std::memcpy(out.ip.data() + 12, raw, 4);
  } else {
    std::memcpy(out.ip.data(), raw, 16);
  }
  return true;
}

bool read_port(std::string_view text, std::uint16_t& out) {
  const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
  return r.ec == std::errc() && r.ptr == text.data() + text.size() && (text.size() == 1 || text[0] != '0');
}

proxy_header read_v1(std::string_view bytes) {
  const auto end = bytes.substr(0, max_v1).find('\n');
  if (end == std::string_view::npos) return bytes.size() >= max_v1 ? wrong() : proxy_header{};
  if (end == 0 || bytes[end - 1] != '\r') return wrong();
  proxy_header h;
  h.state = status::whole;
  h.size = end + 1;
  auto rest = bytes.substr(v1_start.size(), end - 1 - v1_start.size());
  const auto family = word(rest);
  if (family == "UNKNOWN") return h;  // whatever follows is to be ignored
  if (family != "TCP4" && family != "TCP6") return wrong();
  const bool four = family == "TCP4";
  const auto from = word(rest), to = word(rest), from_port = word(rest);
  if (!read_ip(from, four, h.source) || !read_ip(to, four, h.destination)) return wrong();
  if (!read_port(from_port, h.source.port) || !read_port(rest, h.destination.port)) return wrong();
  return h;
}

std::uint16_t big(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

void read_v2_addresses(std::string_view body, bool four, proxy_header& h) {
  const std::size_t n = four ? 4 : 16;
  const auto put = [&](std::size_t at, client_address& out) {
    out.ip = {};
    if (four) out.ip[10] = out.ip[11] = 0xff;
    std::memcpy(out.ip.data() + (16 - n), body.data() + at, n);
  };
  put(0, h.source);
  put(n, h.destination);
  h.source.port = big(body, 2 * n);
  h.destination.port = big(body, 2 * n + 2);
}

proxy_header read_v2(std::string_view bytes) {
  if (bytes.size() < fixed_v2) return {};
  const auto version = static_cast<unsigned char>(bytes[12]);
  const auto family = static_cast<unsigned char>(bytes[13]);
  const std::size_t length = big(bytes, 14);
  if (version >> 4 != 2 || (version & 15) > 1 || family >> 4 > 3 || (family & 15) > 2) return wrong();
  if (fixed_v2 + length > max_proxy_header) return wrong();
  if (bytes.size() < fixed_v2 + length) return {};
  proxy_header h;
  h.state = status::whole;
  h.size = fixed_v2 + length;
  const bool local = (version & 15) == 0;
  if (local || (family != 0x11 && family != 0x21)) return h;
  const bool four = family == 0x11;
  if (length < (four ? 12U : 36U)) return wrong();
  read_v2_addresses(bytes.substr(fixed_v2, length), four, h);
  return h;
}

}  // namespace

proxy_header read_proxy_header(std::string_view bytes) {
  const auto begins = [&](std::string_view with) {
    const auto n = std::min(bytes.size(), with.size());
    return bytes.substr(0, n) == with.substr(0, n);
  };
  if (begins(v1_start)) return bytes.size() < v1_start.size() ? proxy_header{} : read_v1(bytes);
  if (begins(signature)) return bytes.size() < signature.size() ? proxy_header{} : read_v2(bytes);
  return wrong();
}

std::string write_proxy_header(proxy_protocol version, const client_address& source,
                               const client_address& destination) {
  if (version == proxy_protocol::none) return {};
  const bool named = source.known() && destination.known() && source.v4() == destination.v4();
  const bool four = source.v4();
  if (version == proxy_protocol::v1) {
    if (!named) return "PROXY UNKNOWN\r\n";
    return std::string("PROXY ") + (four ? "TCP4 " : "TCP6 ") + source.text() + " " + destination.text() +
           " " + std::to_string(source.port) + " " + std::to_string(destination.port) + "\r\n";
  }
  std::string out(signature);
  const std::size_t n = four ? 4 : 16;
  const auto length = static_cast<char>(named ? 2 * n + 4 : 0);
  out.append({named ? '\x21' : '\x20', !named ? '\0' : four ? '\x11' : '\x21', '\0', length});
  if (!named) return out;
  for (const auto* a : {&source, &destination}) {
    out.append(reinterpret_cast<const char*>(a->ip.data()) + (16 - n), n);
  }
  for (const auto* a : {&source, &destination}) {
    out.append({static_cast<char>(a->port >> 8), static_cast<char>(a->port & 255)});
  }
  return out;
}

}  // namespace osvm::hotswap::detail
