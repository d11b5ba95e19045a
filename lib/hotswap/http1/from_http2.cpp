#include "hotswap/http1/from_http2.hpp"

#include "hotswap/http1/chars.hpp"
#include "hotswap/http1/head.hpp"

namespace osvm::hotswap::http1 {
namespace {

bool one_word(std::string_view v) {
  for (const char c : v) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return false;
  }
  return true;
}

}  // namespace

bool of_one_connection(std::string_view name) noexcept {
  for (const auto* n : {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}) {
    if (iequals(name, n)) return true;
  }
  return false;
}

bool http2_head::add(std::string_view name, std::string_view value, std::size_t max_head) {
  refused_ = refused_ || !take_field(name, value, max_head);
  return !refused_;
}

bool http2_head::take_field(std::string_view name, std::string_view value, std::size_t max_head) {
  if (fields_.size() > max_head) return true;  // the parser will say so
  if (name.starts_with(':')) {
    if (!one_word(value)) return false;
    if (name == ":method") method_ = value;
    if (name == ":path") path_ = value;
    if (name == ":authority") authority_ = value;
    return path_.size() + authority_.size() + method_.size() <= max_head;
  }
  if (!all_of(name, token_char) || of_one_connection(name) || !all_of(value, value_char)) return false;
  if (name == "host") {
    host_ = value;
  } else if (name == "cookie") {  // in pieces, for better compression
    cookie_.append(cookie_.empty() ? "" : "; ").append(value);
    return cookie_.size() <= max_head;
  } else {
    sized_ = sized_ || name == "content-length";
    fields_.append(name).append(": ").append(value).append("\r\n");
  }
  return true;
}

std::string http2_head::take(bool chunked) {
  std::string out;
  out.append(method_).append(" ").append(path_.empty() ? authority_ : path_).append(" HTTP/1.1\r\nHost: ");
  out.append(authority_.empty() ? host_ : authority_).append("\r\n").append(fields_);
  if (!cookie_.empty()) out.append("cookie: ").append(cookie_).append("\r\n");
  if (chunked) out.append("transfer-encoding: chunked\r\n");
  out.append("\r\n");
  for (auto* s : {&method_, &path_, &authority_, &host_, &cookie_, &fields_}) *s = std::string();
  return out;
}

}  // namespace osvm::hotswap::http1
