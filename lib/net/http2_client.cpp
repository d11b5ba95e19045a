#include "net/http2_client.hpp"

#include <array>
#include <new>

#include "net/http2_parts.hpp"

namespace osvm::net {
namespace {

bool is_head(const nghttp2_frame* f) noexcept {
  return f->hd.type == NGHTTP2_HEADERS && f->headers.cat != NGHTTP2_HCAT_REQUEST;
}

}  // namespace

struct http2_client_callbacks : http2_callbacks_of<http2_client_callbacks, http2_client> {
  // Behind an interim response the final one comes as "other headers", as a trailer does: what has come of a
  // stream tells them apart. A field before `:status` is an error that nghttp2 sees too late for us.
  static int on_header(nghttp2_session* s, const nghttp2_frame* f, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* user) {
    if (!is_head(f)) return 0;
    const auto id = f->hd.stream_id;
    const auto n = http2_view(name, name_size), v = http2_view(value, value_size);
    auto at = part_of(s, id);
    if (n == ":status") set_part(s, id, at = v.starts_with('1') ? part::interim : part::head);
    if (at == part::nothing) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const bool head = at != part::trailer;
    return call(user, [&](http2_answers& a) { head ? a.on_field(id, n, v) : a.on_trailer(id, n, v); });
  }
  static int on_frame(nghttp2_session* s, const nghttp2_frame* f, void* user) {
    const auto id = f->hd.stream_id;
    const auto at = part_of(s, id);
    if (is_head(f) && (at == part::interim || at == part::head)) {
      set_part(s, id, at == part::head ? part::trailer : part::nothing);
      if (const int failed = call(user, [&](http2_answers& a) { a.on_head(id); })) return failed;
    }
    const bool end = (f->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!end || (f->hd.type != NGHTTP2_DATA && f->hd.type != NGHTTP2_HEADERS)) return 0;
    return call(user, [&](http2_answers& a) { a.on_end(id); });
  }
  static int on_close(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* user) {
    const auto how = code == NGHTTP2_NO_ERROR         ? http2_end::in_order
                     : code == NGHTTP2_REFUSED_STREAM ? http2_end::refused
                                                      : http2_end::broken;
    return call(user, [&](http2_answers& a) { a.on_closed(stream, how); });
  }

 private:
  // What the fields of a stream belong to.
  enum class part : std::uint8_t {
    nothing,  // yet: `:status` is awaited
    interim,  // a response before the final one
    head,     // the final response
    trailer,  // its head is whole
  };
  // Kept where a pointer of ours would be.
  static part part_of(nghttp2_session* s, std::int32_t id) noexcept {
    return static_cast<part>(reinterpret_cast<std::uintptr_t>(nghttp2_session_get_stream_user_data(s, id)));
  }
  static void set_part(nghttp2_session* s, std::int32_t id, part p) noexcept {
    nghttp2_session_set_stream_user_data(s, id, reinterpret_cast<void*>(static_cast<std::uintptr_t>(p)));
  }
};

result<std::unique_ptr<http2_client>> http2_client::make(http2_answers& answers,
                                                         const http2_client_options& o) {
  std::unique_ptr<http2_client> made(new http2_client(answers));
  const std::array<nghttp2_settings_entry, 3> settings{
      {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o.stream_window},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, o.max_head}}};
  OSVM_CHECK(http2_client_callbacks::start(nghttp2_session_client_new2, *made, settings, o.connection_window,
                                           [&](nghttp2_session* s) { made->adopt(s); }));
  return made;
}

bool http2_client::open() const noexcept {
  return !broken() && nghttp2_session_check_request_allowed(session()) != 0;
}

std::int32_t http2_client::request(std::span<const http2_field> fields, bool body) noexcept {
  if (!open()) return -1;
  try {
    const http2_field_list all(fields);
    const nghttp2_data_provider from{.source = {.ptr = nullptr},
                                     .read_callback = http2_client_callbacks::on_pull};
    return nghttp2_submit_request(session(), nullptr, all.data(), all.size(), body ? &from : nullptr,
                                  nullptr);
  } catch (const std::bad_alloc&) {
    return -1;
  }
}

}  // namespace osvm::net
