#include "net/http2_server.hpp"

#include <array>
#include <new>

#include "net/http2_parts.hpp"

namespace osvm::net {
namespace {

bool is_request(const nghttp2_frame* f) noexcept {
  return f->hd.type == NGHTTP2_HEADERS && f->headers.cat == NGHTTP2_HCAT_REQUEST;
}

}  // namespace

struct http2_callbacks : http2_callbacks_of<http2_callbacks, http2_server> {
  static int on_header(nghttp2_session*, const nghttp2_frame* f, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* user) {
    if (!is_request(f)) return 0;  // a trailer: dropped
    return call(user, [&](http2_events& e) {
      e.on_field(f->hd.stream_id, http2_view(name, name_size), http2_view(value, value_size));
    });
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* f, void* user) {
    const bool end = (f->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (is_request(f)) return call(user, [&](http2_events& e) { e.on_head(f->hd.stream_id, end); });
    if (!end || (f->hd.type != NGHTTP2_DATA && f->hd.type != NGHTTP2_HEADERS)) return 0;
    return call(user, [&](http2_events& e) { e.on_end(f->hd.stream_id); });
  }
  static int on_close(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* user) {
    return call(user, [&](http2_events& e) { e.on_closed(stream, code == NGHTTP2_NO_ERROR); });
  }
};

result<std::unique_ptr<http2_server>> http2_server::make(http2_events& events,
                                                         const http2_server_options& o) {
  std::unique_ptr<http2_server> made(new http2_server(events));
  const std::array<nghttp2_settings_entry, 3> settings{
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, o.max_streams},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o.stream_window},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, o.max_head}}};
  OSVM_CHECK(http2_callbacks::start(nghttp2_session_server_new2, *made, settings, o.connection_window,
                                    [&](nghttp2_session* s) { made->adopt(s); }));
  return made;
}

bool http2_server::respond(std::int32_t stream, unsigned status, std::span<const http2_field> fields,
                           bool body) noexcept {
  try {
    const http2_field_list all(status, fields);
    const nghttp2_data_provider from{.source = {.ptr = nullptr}, .read_callback = http2_callbacks::on_pull};
    return nghttp2_submit_response(session(), stream, all.data(), all.size(), body ? &from : nullptr) == 0;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

bool http2_server::inform(std::int32_t stream, unsigned status,
                          std::span<const http2_field> fields) noexcept {
  try {
    const http2_field_list all(status, fields);
    return nghttp2_submit_headers(session(), NGHTTP2_FLAG_NONE, stream, nullptr, all.data(), all.size(),
                                  nullptr) == 0;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void http2_server::leave() noexcept {
  const auto last = nghttp2_session_get_last_proc_stream_id(session());
  nghttp2_submit_goaway(session(), NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
}

}  // namespace osvm::net
