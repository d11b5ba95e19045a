// Reads bytes as a connection would: one message after the other, in pieces of a given size.
#pragma once

#include "hotswap/http1/body.hpp"
#include "hotswap/http1/head.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

namespace osvm::test {

struct exercised {
  unsigned messages = 0;  // complete ones
  std::string data;       // of their bodies
  bool failed = false;
  bool operator==(const exercised&) const = default;
};

// The first byte says what it is: 'R' responses, 'H' responses to HEAD, else requests.
inline exercised exercise(const std::string& text, std::size_t step) {
  using namespace hotswap::http1;
  exercised e;
  const head_limits limits{.max_head = 2048, .max_fields = 16, .max_target = 512};
  const char kind = text.empty() ? 'q' : text[0];
  std::size_t at = kind == 'R' || kind == 'H' ? 1 : 0;
  auto request = std::make_unique<request_head>();
  auto response = std::make_unique<response_head>();
  while (at < text.size()) {
    head_scanner scanner;
    head_scanner::result found;
    for (std::size_t n = std::min(step, text.size() - at);; n = std::min(n + step, text.size() - at)) {
      found = scanner.scan(std::string_view(text).substr(at, n), limits.max_head);
      if (found.size != 0 || found.error != head_error::none || n == text.size() - at) break;
    }
    e.failed = found.error != head_error::none;
    if (found.size == 0) return e;
    const std::string head = text.substr(at, found.size);
    at += found.size;
    const bool is_response = kind == 'R' || kind == 'H';
    const auto error = is_response ? parse_response(head, limits, kind == 'H', *response)
                                   : parse_request(head, limits, *request);
    e.failed = error != head_error::none;
    if (e.failed) return e;
    const message_head& m = is_response ? static_cast<message_head&>(*response) : *request;
    for (const auto& f : m.all()) e.data += m.hop_by_hop(f.name) ? '-' : '+';
    body_reader body;
    body.start(m.body, m.content_length, 1 << 16, 4);
    while (at < text.size() && !body.done() && body.error() == body_error::none) {
      std::string piece = text.substr(at, step);
      const auto s = body.take({piece.data(), piece.size()});
      if (body.error() == body_error::none) e.data += piece.substr(0, s.data);
      at += s.consumed;
    }
    e.failed = body.error() != body_error::none;
    if (e.failed || !body.done()) {
      e.data.clear();  // how much of a broken body was passed on depends on the pieces
      return e;
    }
    ++e.messages;
  }
  return e;
}

}  // namespace osvm::test
