#include "hotswap/proxy/rewrite.hpp"

#include <string_view>

namespace osvm::hotswap::detail {
namespace {

void add_fields(const http1::message_head& m, bool drop_host, std::string& out) {
  for (const auto& f : m.all()) {
    if (m.hop_by_hop(f.name)) continue;
    if (drop_host && http1::iequals(f.name, "host")) continue;
    out.append(f.name).append(": ").append(f.value).append("\r\n");
  }
}

void add_status_line(unsigned status, std::string_view reason, std::string& out) {
  out.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason).append("\r\n");
}

void add_persistence(persistence p, std::string& out) {
  if (p == persistence::close) out.append("Connection: close\r\n");
  if (p == persistence::keep_alive) out.append("Connection: keep-alive\r\n");
}

const char* reason_of(unsigned status) noexcept {
  switch (status) {
    case 400: return "Bad Request";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

}  // namespace

void write_request(const http1::request_head& r, bool upgrade, std::string& out) {
  out.clear();
  out.append(r.method).append(" ").append(r.path).append(" HTTP/1.1\r\n");
  const bool own_host = !r.authority.empty() || !r.has_host;
  if (own_host) out.append("Host: ").append(r.authority).append("\r\n");
  add_fields(r, own_host, out);
  if (r.body == http1::body_kind::chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (upgrade) out.append("Connection: Upgrade\r\nUpgrade: ").append(r.upgrade_to).append("\r\n");
  out.append("\r\n");
}

void write_response(const http1::response_head& r, out_framing framing, persistence p, std::string& out) {
  out.clear();
  add_status_line(r.status, r.reason, out);
  add_fields(r, false, out);
  if (framing == out_framing::chunked) out.append("Transfer-Encoding: chunked\r\n");
  add_persistence(p, out);
  out.append("\r\n");
}

void write_interim(const http1::response_head& r, std::string& out) {
  out.clear();
  add_status_line(r.status, r.reason, out);
  add_fields(r, false, out);
  if (r.status == 101) out.append("Connection: Upgrade\r\nUpgrade: ").append(r.upgrade_to).append("\r\n");
  out.append("\r\n");
}

void write_own_response(unsigned status, const char* text, bool head_only, persistence p, std::string& out) {
  out.clear();
  add_status_line(status, reason_of(status), out);
  const std::string body = std::to_string(status) + " " + reason_of(status) + ": " + text + "\n";
  out.append("Content-Type: text/plain\r\nCache-Control: no-store\r\nContent-Length: ");
  out.append(std::to_string(body.size())).append("\r\n");
  add_persistence(p, out);
  out.append("\r\n");
  if (!head_only) out.append(body);
}

}  // namespace osvm::hotswap::detail
