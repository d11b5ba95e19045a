// HTTP/2 frames by hand: a client that can say what a library would not.
#pragma once

#include "hotswap/support/sockets.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace osvm::test {

struct http2_frame {
  std::uint8_t type = 0, flags = 0;
  std::uint32_t stream = 0;
  std::string payload;
};

class http2_client {
 public:
  static constexpr std::uint8_t data = 0, headers = 1, rst_stream = 3, settings = 4, goaway = 7,
                                window_update = 8, continuation = 9;
  static constexpr std::uint8_t end_stream = 1, end_headers = 4;
  using fields = std::vector<std::pair<std::string, std::string>>;

  explicit http2_client(client c) : c_(std::move(c)) {
    c_.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    send(settings, 0, 0, "");
  }
  bool send(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, const std::string& payload) {
    std::string f;
    for (const int shift : {16, 8, 0}) f += static_cast<char>(payload.size() >> shift);
    f += static_cast<char>(type);
    f += static_cast<char>(flags);
    for (const int shift : {24, 16, 8, 0}) f += static_cast<char>(stream >> shift);
    return c_.send(f + payload);
  }
  // Literal fields, never indexed, without Huffman codes.
  static std::string block(const fields& all) {
    std::string b;
    for (const auto& [name, value] : all) {
      b += '\x10';
      for (const auto* s : {&name, &value}) {
        if (s->size() < 127) {
          b += static_cast<char>(s->size());
        } else {
          b += '\x7f';
          std::size_t rest = s->size() - 127;
          for (; rest >= 128; rest >>= 7) b += static_cast<char>(128 + (rest & 127));
          b += static_cast<char>(rest);
        }
        b += *s;
      }
    }
    return b;
  }
  static fields get(const std::string& path, fields more = {}) {
    fields all{{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", path}};
    for (auto& f : more) all.push_back(std::move(f));
    return all;
  }
  void ask(std::uint32_t stream, const fields& all, bool end = true) {
    send(headers, static_cast<std::uint8_t>(end_headers | (end ? end_stream : 0)), stream, block(all));
  }
  // The next frame of that kind; empty payload and type 255 when the connection ends before.
  http2_frame wait_for(std::uint8_t type, std::uint32_t stream) {
    for (;;) {
      const auto head = c_.read(9, 30s);
      if (head.size() < 9) return {255, 0, 0, {}};
      const auto at = [&](int i) {
        return static_cast<std::uint32_t>(static_cast<std::uint8_t>(head[static_cast<std::size_t>(i)]));
      };
      http2_frame f{static_cast<std::uint8_t>(at(3)), static_cast<std::uint8_t>(at(4)),
                    at(5) << 24 | at(6) << 16 | at(7) << 8 | at(8),
                    c_.read(at(0) << 16 | at(1) << 8 | at(2), 30s)};
      // A stream that ends otherwise than was waited for.
      const bool other_end =
          f.stream == stream && (f.type == rst_stream || (f.flags & end_stream)) && f.type <= rst_stream;
      if ((f.type == type && f.stream == stream) || f.type == goaway || other_end) return f;
    }
  }
  // What became of a request: "200" and so on, "reset N" or "goaway N" or "end".
  std::string outcome(std::uint32_t stream) {
    const auto f = wait_for(headers, stream);
    const auto code = [&](std::size_t i) {
      return std::to_string(static_cast<std::uint8_t>(f.payload[i + 3]));
    };
    if (f.type == rst_stream) return "reset " + code(0);
    if (f.type == goaway) return "goaway " + code(4);
    if (f.type != headers || f.payload.empty()) return "end";
    // nghttp2 sends :status as an index, or as a literal with index 8.
    switch (static_cast<std::uint8_t>(f.payload[0])) {
      case 0x88: return "200";
      case 0x89: return "204";
      case 0x8c: return "400";
      case 0x8d: return "404";
      case 0x8e: return "500";
      default: return "other";
    }
  }
  client& below() { return c_; }

 private:
  client c_;
};

}  // namespace osvm::test
