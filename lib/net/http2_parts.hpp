// What http2_server and http2_client have in common. Only for their .cpp files.
#pragma once

#include "net/http2_words.hpp"

#include <osvm/net/error.hpp>

#include <nghttp2/nghttp2.h>

#include <array>
#include <charconv>
#include <memory>
#include <span>
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

// What nghttp2 calls of either end; `user` is the End, whose `sink_` is told. `Own` adds on_header, on_frame
// and on_close. No exception may pass through the library.
template <class Own, class End>
struct http2_callbacks_of {
  template <class F>
  static int call(void* user, F f) noexcept {
    try {
      f(static_cast<End*>(user)->sink_);
      return 0;
    } catch (...) {
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }
  // Without this, a field that is not valid would be left out in silence.
  static int on_invalid(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                        const std::uint8_t*, std::size_t, std::uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data,
                     std::size_t size, void* user) {
    return call(user, [&](auto& sink) { sink.on_data(stream, http2_view(data, size)); });
  }
  static ssize_t on_pull(nghttp2_session*, std::int32_t stream, std::uint8_t* into, std::size_t size,
                         std::uint32_t* flags, nghttp2_data_source*, void* user) {
    http2_pulled p;
    const int failed = call(user, [&](auto& sink) {
      p = sink.on_pull(stream, {reinterpret_cast<char*>(into), size});
    });
    if (failed != 0) return failed;
    if (p.end) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return p.bytes == 0 && !p.end ? static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED)
                                  : static_cast<ssize_t>(p.bytes);
  }

  using maker = int (*)(nghttp2_session**, const nghttp2_session_callbacks*, void*, const nghttp2_option*);
  // `give` takes the session over before its first settings are submitted.
  template <class Give>
  static result<void> start(maker make, End& end, std::span<const nghttp2_settings_entry> settings,
                            std::uint32_t connection_window, Give give) {
    nghttp2_session_callbacks* c = nullptr;
    nghttp2_option* o = nullptr;
    const bool room = nghttp2_session_callbacks_new(&c) == 0 && nghttp2_option_new(&o) == 0;
    const std::unique_ptr<nghttp2_session_callbacks, http2_callbacks_deleter> callbacks(c);
    const std::unique_ptr<nghttp2_option, http2_option_deleter> option(o);
    const error no_room(osvm::errc::limit_exceeded, "memory for an HTTP/2 connection");
    if (!room) return no_room;
    nghttp2_session_callbacks_set_on_header_callback(c, Own::on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(c, on_invalid);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, Own::on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, Own::on_close);
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_session* s = nullptr;
    if (make(&s, c, &end, o) != 0) return no_room;
    give(s);
    if (nghttp2_submit_settings(s, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0 ||
        nghttp2_session_set_local_window_size(s, NGHTTP2_FLAG_NONE, 0,
                                              static_cast<std::int32_t>(connection_window)) != 0) {
      return error(osvm::errc::invalid_argument, "HTTP/2 windows must be 64 KiB to 2 GiB");
    }
    return {};
  }
};

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
