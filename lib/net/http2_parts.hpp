// What http2_server and http2_client have in common. Only for their .cpp files.
#pragma once

#include "net/http2_words.hpp"

#include <nghttp2/nghttp2.h>

#include <array>
#include <charconv>
#include <string>
#include <vector>

namespace osvm::net {

struct http2_callbacks_deleter {
  void operator()(nghttp2_session_callbacks* c) const noexcept { nghttp2_session_callbacks_del(c); }
};
struct http2_option_deleter {
  void operator()(nghttp2_option* o) const noexcept { nghttp2_option_del(o); }
};

inline std::string_view http2_view(const std::uint8_t* p, std::size_t n) noexcept {
  return {reinterpret_cast<const char*>(p), n};
}

inline std::uint32_t http2_code(http2_reason why) noexcept {
  switch (why) {
    case http2_reason::no_error: return NGHTTP2_NO_ERROR;
    case http2_reason::internal: return NGHTTP2_INTERNAL_ERROR;
    case http2_reason::refused: return NGHTTP2_REFUSED_STREAM;
    case http2_reason::cancel: return NGHTTP2_CANCEL;
    case http2_reason::protocol: return NGHTTP2_PROTOCOL_ERROR;
  }
  return NGHTTP2_INTERNAL_ERROR;
}

// The library copies what the fields point to.
class http2_field_list {
 public:
  explicit http2_field_list(std::span<const http2_field> fields) {
    all_.reserve(fields.size());
    for (const auto& f : fields) add(f.name, f.value);
  }
  http2_field_list(unsigned status, std::span<const http2_field> fields) {
    std::to_chars(status_.data(), status_.data() + status_.size(), status);
    all_.reserve(fields.size() + 1);
    add(":status", {status_.data(), status_.size()});
    for (const auto& f : fields) add(f.name, f.value);
  }
  http2_field_list(const http2_field_list&) = delete;
  http2_field_list& operator=(const http2_field_list&) = delete;
  const nghttp2_nv* data() const noexcept { return all_.data(); }
  std::size_t size() const noexcept { return all_.size(); }

 private:
  void add(std::string_view name, std::string_view value) {
    const auto bytes = [](std::string_view v) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(v.data()));
    };
    all_.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  std::array<char, 3> status_{};
  std::vector<nghttp2_nv> all_;
};

}  // namespace osvm::net
