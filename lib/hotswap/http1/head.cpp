#include "hotswap/http1/head.hpp"

#include "hotswap/http1/chars.hpp"

#include <cstring>

namespace osvm::hotswap::http1 {
namespace {

std::string_view trim(std::string_view s) noexcept {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// Takes one line with its CRLF from the front; scan() has made sure that each line has one.
std::string_view take_line(std::string_view& head) noexcept {
  const auto lf = head.find('\n');
  const auto line = head.substr(0, lf - 1);
  head.remove_prefix(lf + 1);
  return line;
}

head_error parse_number(std::string_view digits, std::uint64_t& out) noexcept {
  // 18 digits fit without an overflow check; no body is that long.
  if (digits.empty() || digits.size() > 18) return head_error::bad_content_length;
  out = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return head_error::bad_content_length;
    out = out * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return head_error::none;
}

// Running state over the fields of one head.
struct framing {
  unsigned transfer_encodings = 0;
  bool chunked = false;
  bool keep_alive = false;
  bool connection_upgrade = false;
  unsigned hosts = 0;
};

head_error note_transfer_encoding(std::string_view value, framing& f) noexcept {
  if (++f.transfer_encodings > 1) return head_error::bad_transfer_encoding;
  if (!iequals(value, "chunked")) {
    return all_of(value, value_char) && !value.empty() ? head_error::unsupported_coding
                                                       : head_error::bad_transfer_encoding;
  }
  f.chunked = true;
  return head_error::none;
}

void note_connection(std::string_view value, message_head& out, framing& f) noexcept {
  ++out.connection_fields;
  out.has_connection = true;
  out.connection = value;
  for_each_item(value, [&](std::string_view item) {
    if (iequals(item, "close")) out.close = true;
    if (iequals(item, "keep-alive")) f.keep_alive = true;
    if (iequals(item, "upgrade")) f.connection_upgrade = true;
  });
}

head_error note_content_length(std::string_view value, message_head& out) noexcept {
  if (out.has_content_length) return head_error::bad_content_length;
  out.has_content_length = true;
  return parse_number(value, out.content_length);
}

// Names that some servers read as the real ones (they map '_' to '-'): never meant honestly.
bool disguised(std::string_view name) noexcept {
  return iequals(name, "content_length") || iequals(name, "transfer_encoding");
}

head_error note_field(const field& f, message_head& out, framing& state) noexcept {
  switch (f.name.size()) {
    case 7:
      if (iequals(f.name, "upgrade")) out.upgrade_to = f.value;
      break;
    case 10:
      if (iequals(f.name, "connection")) note_connection(f.value, out, state);
      break;
    case 14:
      if (iequals(f.name, "content-length")) return note_content_length(f.value, out);
      if (disguised(f.name)) return head_error::bad_field_name;
      break;
    case 17:
      if (iequals(f.name, "transfer-encoding")) return note_transfer_encoding(f.value, state);
      if (disguised(f.name)) return head_error::bad_field_name;
      break;
    default: break;
  }
  return head_error::none;
}

head_error parse_field(std::string_view line, field& out) noexcept {
  if (line.front() == ' ' || line.front() == '\t') return head_error::folded_field;
  std::size_t n = 0;
  while (n < line.size() && is(line[n], token_char)) ++n;
  if (n == 0 || n == line.size() || line[n] != ':') return head_error::bad_field_name;
  out.name = line.substr(0, n);
  out.value = trim(line.substr(n + 1));
  return all_of(out.value, value_char) ? head_error::none : head_error::bad_field_value;
}

head_error parse_fields(std::string_view rest, const head_limits& limits, message_head& out,
                        framing& f) noexcept {
  const unsigned max = limits.max_fields < field_capacity ? limits.max_fields : field_capacity;
  for (;;) {
    const auto line = take_line(rest);
    if (line.empty()) break;
    if (out.field_count == max) return head_error::too_many_fields;
    field& slot = out.fields[out.field_count];
    if (const auto e = parse_field(line, slot); e != head_error::none) return e;
    if (const auto e = note_field(slot, out, f); e != head_error::none) return e;
    ++out.field_count;
  }
  if (f.transfer_encodings != 0 && out.has_content_length) return head_error::ambiguous_length;
  if (f.transfer_encodings != 0 && out.minor == 0) return head_error::bad_transfer_encoding;
  if (out.minor == 0 && !f.keep_alive) out.close = true;
  out.upgrade = f.connection_upgrade && !out.upgrade_to.empty() && out.minor == 1;
  return head_error::none;
}

head_error parse_version(std::string_view v, unsigned& minor) noexcept {
  if (v == "HTTP/1.1") {
    minor = 1;
  } else if (v == "HTTP/1.0") {
    minor = 0;
  } else {
    const bool well_formed = v.size() == 8 && v.substr(0, 5) == "HTTP/" && v[6] == '.' && v[5] >= '0' &&
                             v[5] <= '9' && v[7] >= '0' && v[7] <= '9';
    return well_formed ? head_error::bad_version : head_error::bad_request_line;
  }
  return head_error::none;
}

method_kind kind_of(std::string_view m) noexcept {
  if (m == "GET") return method_kind::get;
  if (m == "HEAD") return method_kind::head;
  if (m == "OPTIONS" || m == "TRACE") return method_kind::other_safe;
  if (m == "PUT" || m == "DELETE") return method_kind::idempotent;
  return method_kind::other;
}

bool valid_host(std::string_view h) noexcept {
  return !h.empty() && all_of(h, host_char);
}

head_error parse_target(request_head& out) noexcept {
  const auto t = out.target;
  if (!all_of(t, target_char)) return head_error::bad_target;
  if (t.front() == '/') {
    out.path = t;
    return head_error::none;
  }
  if (t == "*") {
    out.path = t;
    return out.method == "OPTIONS" ? head_error::none : head_error::bad_target;
  }
  // absolute-form: its authority counts, whatever Host says (RFC 9112 3.2.2)
  const std::string_view scheme = "http://";
  if (t.size() <= scheme.size() || !iequals(t.substr(0, scheme.size()), scheme))
    return head_error::bad_target;
  const auto rest = t.substr(scheme.size());
  const auto slash = rest.find_first_of("/?");
  out.authority = rest.substr(0, slash);
  if (!valid_host(out.authority)) return head_error::bad_target;
  out.path = slash == std::string_view::npos ? std::string_view("/") : rest.substr(slash);
  return out.path.front() == '/' ? head_error::none : head_error::bad_target;
}

head_error parse_request_line(std::string_view line, const head_limits& limits, request_head& out) noexcept {
  const auto first = line.find(' ');
  if (first == std::string_view::npos) return head_error::bad_request_line;
  const auto second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return head_error::bad_request_line;
  out.method = line.substr(0, first);
  out.target = line.substr(first + 1, second - first - 1);
  if (out.method.empty() || out.method.size() > 32 || !all_of(out.method, token_char))
    return head_error::bad_method;
  if (out.target.size() > limits.max_target) return head_error::target_too_long;
  if (out.target.empty()) return head_error::bad_target;
  if (const auto e = parse_version(line.substr(second + 1), out.minor); e != head_error::none) return e;
  if (out.method == "CONNECT") return head_error::unsupported_method;
  out.kind = kind_of(out.method);
  return parse_target(out);
}

head_error check_host(request_head& out) noexcept {
  unsigned hosts = 0;
  for (const auto& f : out.all()) {
    if (f.name.size() == 4 && iequals(f.name, "host")) {
      ++hosts;
      out.host = f.value;
    } else if (f.name.size() == 6 && iequals(f.name, "expect")) {
      out.expect_continue = iequals(f.value, "100-continue");
    }
  }
  out.has_host = hosts != 0;
  if (hosts > 1) return head_error::bad_host;
  if (hosts == 0) return out.minor == 1 ? head_error::missing_host : head_error::none;
  return out.host.empty() || valid_host(out.host) ? head_error::none : head_error::bad_host;
}

void clear(message_head& h) noexcept {
  h.minor = 1;
  h.field_count = 0;
  h.body = body_kind::none;
  h.content_length = 0;
  h.has_content_length = h.close = h.upgrade = h.has_connection = false;
  h.connection = h.upgrade_to = {};
  h.connection_fields = 0;
}

head_error parse_status_line(std::string_view line, response_head& out) noexcept {
  if (line.size() < 12 || parse_version(line.substr(0, 8), out.minor) != head_error::none || line[8] != ' ') {
    return head_error::bad_status_line;
  }
  out.status = 0;
  for (const char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return head_error::bad_status_line;
    out.status = out.status * 10 + static_cast<unsigned>(c - '0');
  }
  if (out.status < 100 || (line.size() > 12 && line[12] != ' ')) return head_error::bad_status_line;
  out.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  return all_of(out.reason, value_char) ? head_error::none : head_error::bad_status_line;
}

}  // namespace

bool iequals(std::string_view a, std::string_view lower_b) noexcept {
  if (a.size() != lower_b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower_b[i]) return false;
  }
  return true;
}

std::string_view message_head::find(std::string_view lower_name) const noexcept {
  for (const auto& f : all()) {
    if (iequals(f.name, lower_name)) return f.value;
  }
  return {};
}

bool message_head::hop_by_hop(std::string_view name) const noexcept {
  switch (name.size()) {
    case 2:
      if (iequals(name, "te")) return true;
      break;
    case 7:
      if (iequals(name, "upgrade") || iequals(name, "trailer")) return true;
      break;
    case 10:
      if (iequals(name, "connection") || iequals(name, "keep-alive")) return true;
      break;
    case 16:
      if (iequals(name, "proxy-connection")) return true;
      break;
    case 17:
      if (iequals(name, "transfer-encoding")) return true;
      break;
    case 18:
      if (iequals(name, "proxy-authenticate")) return true;
      break;
    case 19:
      if (iequals(name, "proxy-authorization")) return true;
      break;
    default: break;
  }
  if (!has_connection || iequals(name, "host") || iequals(name, "content-length")) return false;
  bool listed = false;
  for (const auto& f : all()) {
    if (f.name.size() != 10 || !iequals(f.name, "connection")) continue;
    for_each_item(f.value, [&](std::string_view item) {
      if (item.size() != name.size()) return;
      bool same = true;
      for (std::size_t i = 0; i < item.size(); ++i) same = same && lower(item[i]) == lower(name[i]);
      listed = listed || same;
    });
  }
  return listed;
}

head_scanner::result head_scanner::scan(std::string_view bytes, std::size_t max_head) noexcept {
  while (at_ < bytes.size()) {
    const auto* lf = static_cast<const char*>(std::memchr(bytes.data() + at_, '\n', bytes.size() - at_));
    const std::size_t end = lf ? static_cast<std::size_t>(lf - bytes.data()) : bytes.size();
    // A CR may only be the byte before the LF; the last byte so far may still become that.
    if (const auto* cr = static_cast<const char*>(std::memchr(bytes.data() + at_, '\r', end - at_));
        cr && static_cast<std::size_t>(cr - bytes.data()) + 1 < end) {
      return {0, head_error::bare_cr};
    }
    if (!lf) {
      // Keep a trailing CR unread, to judge it with what follows.
      at_ = bytes.back() == '\r' ? bytes.size() - 1 : bytes.size();
      break;
    }
    if (end == line_ || bytes[end - 1] != '\r') return {0, head_error::bare_lf};
    const bool empty_line = end == line_ + 1;
    line_ = at_ = end + 1;
    if (line_ > max_head) return {0, head_error::too_large};
    if (empty_line) return {line_, head_error::none};
  }
  if (bytes.size() >= max_head) return {0, head_error::too_large};
  return {};
}

head_error parse_request(std::string_view head, const head_limits& limits, request_head& out) noexcept {
  clear(out);
  out.method = out.target = out.path = out.authority = out.host = {};
  out.expect_continue = out.has_host = false;
  if (const auto e = parse_request_line(take_line(head), limits, out); e != head_error::none) return e;
  framing f;
  if (const auto e = parse_fields(head, limits, out, f); e != head_error::none) return e;
  if (const auto e = check_host(out); e != head_error::none) return e;
  if (f.chunked) {
    out.body = body_kind::chunked;
  } else if (out.has_content_length) {
    out.body = out.content_length == 0 ? body_kind::none : body_kind::length;
  }
  return head_error::none;
}

head_error parse_response(std::string_view head, const head_limits& limits, bool to_head,
                          response_head& out) noexcept {
  clear(out);
  if (const auto e = parse_status_line(take_line(head), out); e != head_error::none) return e;
  framing f;
  if (const auto e = parse_fields(head, limits, out, f); e != head_error::none) return e;
  if (to_head || out.status < 200 || out.status == 204 || out.status == 304) {
    out.body = body_kind::none;
  } else if (f.chunked) {
    out.body = body_kind::chunked;
  } else if (out.has_content_length) {
    out.body = out.content_length == 0 ? body_kind::none : body_kind::length;
  } else {
    out.body = body_kind::until_close;
    out.close = true;
  }
  return head_error::none;
}

const char* to_string(head_error e) noexcept {
  switch (e) {
    case head_error::none: return "no error";
    case head_error::bare_lf: return "a line ends in LF without CR";
    case head_error::bare_cr: return "CR without LF";
    case head_error::too_large: return "the head is too large";
    case head_error::too_many_fields: return "too many header fields";
    case head_error::target_too_long: return "the request target is too long";
    case head_error::bad_request_line: return "not an HTTP request line";
    case head_error::bad_method: return "bad method";
    case head_error::bad_target: return "bad request target";
    case head_error::bad_version: return "only HTTP/1.0 and HTTP/1.1 are served";
    case head_error::bad_status_line: return "bad status line";
    case head_error::bad_field_name: return "bad header field name";
    case head_error::bad_field_value: return "bad header field value";
    case head_error::folded_field: return "folded header field";
    case head_error::missing_host: return "no Host field";
    case head_error::bad_host: return "bad Host field";
    case head_error::bad_content_length: return "bad Content-Length";
    case head_error::bad_transfer_encoding: return "bad Transfer-Encoding";
    case head_error::ambiguous_length: return "both Content-Length and Transfer-Encoding";
    case head_error::unsupported_coding: return "only the chunked transfer coding is served";
    case head_error::unsupported_method: return "CONNECT is not served";
  }
  return "?";
}

unsigned status_of(head_error e) noexcept {
  switch (e) {
    case head_error::too_large:
    case head_error::too_many_fields: return 431;
    case head_error::target_too_long: return 414;
    case head_error::bad_version: return 505;
    case head_error::unsupported_coding:
    case head_error::unsupported_method: return 501;
    default: return 400;
  }
}

}  // namespace osvm::hotswap::http1
