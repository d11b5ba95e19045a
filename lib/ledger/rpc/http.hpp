// Just enough HTTP/1.1 for JSON-RPC: one request head at a time, bodies by Content-Length. Sans I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace osvm::ledger::http {

struct head {
  enum class kind { post, health, options, websocket, other } method = kind::other;
  std::size_t size = 0;  // bytes of the head, its empty line included
  std::size_t body = 0;
  bool keep_alive = true;
  bool expects_continue = false;
  std::string_view websocket_key{};  // of a WebSocket's opening request; lies in the parsed bytes
};

enum class verdict {
  more,       // the head is not whole yet
  ok,         // `out` is set
  malformed,  // 400
  no_length,  // 411: a body without Content-Length
  too_large,  // 413 or 431
};

verdict parse_head(std::string_view bytes, std::size_t max_head, std::size_t max_body, head& out);
// The answer that turns the connection into a WebSocket.
std::string switch_protocols(std::string_view websocket_key);
// `more`: further header fields, each with its CRLF.
std::string response(int status, std::string_view content_type, std::string_view body, bool keep_alive,
                     std::string_view more = {});
// All of it but the body, which has `size` bytes.
std::string response_head(int status, std::string_view content_type, std::size_t size, bool keep_alive,
                          std::string_view more = {});

}  // namespace osvm::ledger::http
