#include "http.hpp"

#include <osvm/net/websocket_frames.hpp>

#include <algorithm>
#include <charconv>

namespace osvm::ledger::http {
namespace {

bool same(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(),
                    [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

bool token(std::string_view s) {
  return !s.empty() && std::ranges::all_of(s, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

// Whether a comma-separated list has the word.
bool lists(std::string_view list, std::string_view lower) {
  for (;;) {
    const auto comma = list.find(',');
    if (same(trimmed(list.substr(0, comma)), lower)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

// What a WebSocket's opening request must say; all of it or nothing.
struct upgrade {
  bool get = false, upgrade_field = false, connection_field = false, version = false;
  std::string_view key{};
  bool whole() const { return get && upgrade_field && connection_field && version && key.size() == 24; }
  void field(std::string_view name, std::string_view value) {
    if (same(name, "upgrade")) upgrade_field = lists(value, "websocket");
    if (same(name, "connection")) connection_field = lists(value, "upgrade");
    if (same(name, "sec-websocket-version")) version = value == "13";
    if (same(name, "sec-websocket-key")) key = value;
  }
};

bool request_line(std::string_view line, head& out) {
  const auto first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return false;
  const auto method = line.substr(0, first), target = line.substr(first + 1, last - first - 1),
             version = line.substr(last + 1);
  if (!token(method) || target.empty() || target.find(' ') != std::string_view::npos) return false;
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return false;
  out.keep_alive = version == "HTTP/1.1";
  if (method == "POST") out.method = head::kind::post;
  if (method == "OPTIONS") out.method = head::kind::options;
  if (method == "GET" && target == "/health") out.method = head::kind::health;
  return true;
}

const char* reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 405: return "Method Not Allowed";
    case 411: return "Length Required";
    case 413: return "Payload Too Large";
    default: return "Error";
  }
}

}  // namespace

verdict parse_head(std::string_view bytes, std::size_t max_head, std::size_t max_body, head& out) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return bytes.size() >= max_head ? verdict::too_large : verdict::more;
  if (end + 4 > max_head) return verdict::too_large;
  out = {.size = end + 4};
  std::optional<std::size_t> length;
  upgrade wanted;
  bool first = true;
  for (auto rest = bytes.substr(0, end + 2); !rest.empty();) {
    const auto stop = rest.find("\r\n");
    const auto line = rest.substr(0, stop);
    rest.remove_prefix(stop + 2);
    if (first) {
      if (!request_line(line, out)) return verdict::malformed;
      wanted.get = line.starts_with("GET ") && out.keep_alive;
      first = false;
      continue;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !token(line.substr(0, colon))) return verdict::malformed;
    const auto name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
    wanted.field(name, value);
    if (same(name, "content-length")) {
      std::size_t n = 0;
      const auto [p, e] = std::from_chars(value.data(), value.data() + value.size(), n);
      if (e != std::errc{} || p != value.data() + value.size() || (length && *length != n))
        return verdict::malformed;
      length = n;
    } else if (same(name, "transfer-encoding")) {
      return verdict::no_length;
    } else if (same(name, "connection")) {
      if (same(value, "close")) out.keep_alive = false;
      if (same(value, "keep-alive")) out.keep_alive = true;
    } else if (same(name, "expect")) {
      out.expects_continue = same(value, "100-continue");
    }
  }
  if (wanted.whole() && !length) {
    out.method = head::kind::websocket;
    out.websocket_key = wanted.key;
  }
  if (out.method == head::kind::post && !length) return verdict::no_length;
  out.body = length.value_or(0);
  return out.body > max_body ? verdict::too_large : verdict::ok;
}

std::string switch_protocols(std::string_view websocket_key) {
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " +
         net::websocket_accept(websocket_key) + "\r\n\r\n";
}

std::string response_head(int status, std::string_view content_type, std::size_t size, bool keep_alive,
                          std::string_view more) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " " + reason(status) + "\r\n";
  if (!content_type.empty()) out += "content-type: " + std::string(content_type) + "\r\n";
  out += "access-control-allow-origin: *\r\n";
  if (status == 204)
    out += "access-control-allow-methods: POST, GET, OPTIONS\r\naccess-control-allow-headers: *\r\n";
  if (!keep_alive) out += "connection: close\r\n";
  if (status != 204) out += "content-length: " + std::to_string(size) + "\r\n";
  out += more;
  return out + "\r\n";
}

std::string response(int status, std::string_view content_type, std::string_view body, bool keep_alive,
                     std::string_view more) {
  auto out = response_head(status, content_type, body.size(), keep_alive, more);
  out += body;
  return out;
}

}  // namespace osvm::ledger::http
