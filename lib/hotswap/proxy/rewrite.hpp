// Heads as they are passed on: hop-by-hop fields gone, framing our own.
#pragma once

#include "hotswap/http1/head.hpp"

#include <osvm/hotswap/proxy.hpp>

#include <string>
#include <string_view>

namespace osvm::hotswap::detail {

// How the bytes of a response reach the client.
enum class out_framing : std::uint8_t {
  none,  // no body
  length,
  chunked,
  close,  // until the connection ends: for HTTP/1.0 clients
};

enum class persistence : std::uint8_t {
  implied,     // HTTP/1.1 without a word
  keep_alive,  // said, to an HTTP/1.0 client that asked
  close,
};

// Who the client is, for the release to know.
struct forwarding {
  forwarded_mode mode = forwarded_mode::off;
  std::string_view client;  // address without port
  bool v6 = false;
  const char* scheme = "http";
};

// `who`: null for nothing.
void write_request(const http1::request_head& r, bool upgrade, const forwarding* who, std::string& out);
void write_response(const http1::response_head& r, out_framing framing, persistence p, std::string& out);
// 101 keeps its Upgrade; other 1xx keep their fields.
void write_interim(const http1::response_head& r, std::string& out);
// A short answer of the proxy itself.
void write_own_response(unsigned status, const char* text, bool head_only, persistence p, std::string& out);

}  // namespace osvm::hotswap::detail
