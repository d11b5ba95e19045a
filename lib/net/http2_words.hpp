// What both ends of an HTTP/2 connection speak of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace osvm::net {

struct http2_field {
  std::string_view name, value;
};

// Bytes of a body that the connection asks for.
struct http2_pulled {
  std::size_t bytes = 0;  // 0 without `end`: not now, resume() will be called
  bool end = false;
};

enum class http2_reason : std::uint8_t {
  no_error,  // nothing more is wanted of the request
  internal,
  refused,  // nothing of it was executed
  cancel,
  protocol,  // the request is none
};

}  // namespace osvm::net
