#include "hotswap/proxy/rewrite.hpp"

#include <string_view>

namespace osvm::hotswap::detail {
namespace {

bool says_who(std::string_view name) {
  for (const auto* n :
       {"forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip"}) {
    if (http1::iequals(name, n)) return true;
  }
  return false;
}

// The values of all fields of that name as one list.
std::string joined(const http1::message_head& m, std::string_view name) {
  std::string all;
  for (const auto& f : m.all()) {
    if (!http1::iequals(f.name, name) || f.value.empty()) continue;
    if (!all.empty()) all += ", ";
    all += f.value;
  }
  return all;
}

// Inside a quoted-string of a Forwarded field.
bool quotable(std::string_view host) {
  return host.find_first_of("\"\\") == std::string_view::npos;
}

void add_who(const http1::request_head& r, const forwarding& who, std::string& out) {
  const bool append = who.mode == forwarded_mode::append;
  const auto host = r.authority.empty() ? r.host : r.authority;
  const auto before = [&](const char* name) { return append ? joined(r, name) : std::string(); };
  const auto add = [&](const char* name, const std::string& value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  const auto list = [](std::string old, std::string_view next) {
    return old.empty() ? std::string(next) : old.append(", ").append(next);
  };
  add("X-Forwarded-For", list(before("x-forwarded-for"), who.client));
  const auto proto = before("x-forwarded-proto");
  add("X-Forwarded-Proto", proto.empty() ? who.scheme : proto);
  const auto old_host = before("x-forwarded-host");
  if (!old_host.empty() || !host.empty()) {
    add("X-Forwarded-Host", old_host.empty() ? std::string(host) : old_host);
  }
  std::string element = "for=";
  element += who.v6 ? "\"[" + std::string(who.client) + "]\"" : std::string(who.client);
  if (!host.empty() && quotable(host)) element.append(";host=\"").append(host).append("\"");
  element.append(";proto=").append(who.scheme);
  add("Forwarded", list(before("forwarded"), element));
}

void add_fields(const http1::message_head& m, bool drop_host, bool drop_who, std::string& out) {
  for (const auto& f : m.all()) {
    if (m.hop_by_hop(f.name)) continue;
    if (drop_who && says_who(f.name)) continue;
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
    case 404: return "Not Found";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 429: return "Too Many Requests";
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

void write_request(const http1::request_head& r, bool upgrade, const forwarding* who, std::string& out) {
  out.clear();
  out.append(r.method).append(" ").append(r.path).append(" HTTP/1.1\r\n");
  const bool own_host = !r.authority.empty() || !r.has_host;
  if (own_host) out.append("Host: ").append(r.authority).append("\r\n");
  add_fields(r, own_host, who != nullptr, out);
  if (who) add_who(r, *who, out);
  if (r.body == http1::body_kind::chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (upgrade) out.append("Connection: Upgrade\r\nUpgrade: ").append(r.upgrade_to).append("\r\n");
  out.append("\r\n");
}

void write_response(const http1::response_head& r, out_framing framing, persistence p, std::string& out) {
  out.clear();
  add_status_line(r.status, r.reason, out);
  add_fields(r, false, false, out);
  if (framing == out_framing::chunked) out.append("Transfer-Encoding: chunked\r\n");
  add_persistence(p, out);
  out.append("\r\n");
}

void write_interim(const http1::response_head& r, std::string& out) {
  out.clear();
  add_status_line(r.status, r.reason, out);
  add_fields(r, false, false, out);
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
