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

// No exception may pass through the library.
struct http2_client_callbacks {
  template <class F>
  static int call(void* user, F f) noexcept {
    try {
      f(static_cast<http2_client*>(user)->answers_);
      return 0;
    } catch (...) {
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }
  // Behind an interim response the final one comes as "other headers" too: its `:status` tells it from a
  // trailer, which nghttp2 allows none.
  static int on_header(nghttp2_session* s, const nghttp2_frame* f, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* user) {
    if (!is_head(f)) return 0;
    const auto id = f->hd.stream_id;
    const auto n = http2_view(name, name_size), v = http2_view(value, value_size);
    if (n == ":status") nghttp2_session_set_stream_user_data(s, id, status_seen());
    const bool head = nghttp2_session_get_stream_user_data(s, id) != nullptr;
    return call(user, [&](http2_answers& a) { head ? a.on_field(id, n, v) : a.on_trailer(id, n, v); });
  }
  // Without this, a field that is not valid would be left out in silence.
  static int on_invalid(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                        const std::uint8_t*, std::size_t, std::uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  static int on_frame(nghttp2_session* s, const nghttp2_frame* f, void* user) {
    const auto id = f->hd.stream_id;
    if (is_head(f) && nghttp2_session_get_stream_user_data(s, id)) {
      nghttp2_session_set_stream_user_data(s, id, nullptr);
      if (const int failed = call(user, [&](http2_answers& a) { a.on_head(id); })) return failed;
    }
    const bool end = (f->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!end || (f->hd.type != NGHTTP2_DATA && f->hd.type != NGHTTP2_HEADERS)) return 0;
    return call(user, [&](http2_answers& a) { a.on_end(id); });
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data,
                     std::size_t size, void* user) {
    return call(user, [&](http2_answers& a) { a.on_data(stream, http2_view(data, size)); });
  }
  static int on_close(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* user) {
    const auto how = code == NGHTTP2_NO_ERROR         ? http2_end::in_order
                     : code == NGHTTP2_REFUSED_STREAM ? http2_end::refused
                                                      : http2_end::broken;
    return call(user, [&](http2_answers& a) { a.on_closed(stream, how); });
  }
  static ssize_t on_pull(nghttp2_session*, std::int32_t stream, std::uint8_t* into, std::size_t size,
                         std::uint32_t* flags, nghttp2_data_source*, void* user) {
    http2_pulled p;
    const int failed = call(user, [&](http2_answers& a) {
      p = a.on_pull(stream, {reinterpret_cast<char*>(into), size});
    });
    if (failed != 0) return failed;
    if (p.end) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return p.bytes == 0 && !p.end ? static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED)
                                  : static_cast<ssize_t>(p.bytes);
  }

 private:
  static void* status_seen() noexcept {
    static char mark;
    return &mark;
  }
};

void http2_client::deleter::operator()(nghttp2_session* s) const noexcept {
  nghttp2_session_del(s);
}

result<std::unique_ptr<http2_client>> http2_client::make(http2_answers& answers,
                                                         const http2_client_options& o) {
  nghttp2_session_callbacks* c = nullptr;
  nghttp2_option* p = nullptr;
  const bool room = nghttp2_session_callbacks_new(&c) == 0 && nghttp2_option_new(&p) == 0;
  const std::unique_ptr<nghttp2_session_callbacks, http2_callbacks_deleter> callbacks(c);
  const std::unique_ptr<nghttp2_option, http2_option_deleter> option(p);
  if (!room) return error(osvm::errc::limit_exceeded, "memory for an HTTP/2 connection");
  nghttp2_session_callbacks_set_on_header_callback(c, http2_client_callbacks::on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(c, http2_client_callbacks::on_invalid);
  nghttp2_session_callbacks_set_on_frame_recv_callback(c, http2_client_callbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, http2_client_callbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(c, http2_client_callbacks::on_close);
  nghttp2_option_set_no_auto_window_update(p, 1);
  std::unique_ptr<http2_client> made(new http2_client(answers));
  nghttp2_session* s = nullptr;
  if (nghttp2_session_client_new2(&s, c, made.get(), p) != 0)
    return error(osvm::errc::limit_exceeded, "memory for an HTTP/2 connection");
  made->session_.reset(s);
  const std::array<nghttp2_settings_entry, 3> settings{
      {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o.stream_window},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, o.max_head}}};
  if (nghttp2_submit_settings(s, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0 ||
      nghttp2_session_set_local_window_size(s, NGHTTP2_FLAG_NONE, 0,
                                            static_cast<std::int32_t>(o.connection_window)) != 0) {
    return error(osvm::errc::invalid_argument, "HTTP/2 windows must be 64 KiB to 2 GiB");
  }
  return made;
}

bool http2_client::receive(std::string_view bytes) noexcept {
  if (broken_) return false;
  const auto n = nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                          bytes.size());
  broken_ = n < 0 || static_cast<std::size_t>(n) != bytes.size();
  return !broken_;
}

std::string_view http2_client::output() noexcept {
  const std::uint8_t* data = nullptr;
  const auto n = nghttp2_session_mem_send(session_.get(), &data);
  if (n < 0) broken_ = true;
  return n > 0 ? http2_view(data, static_cast<std::size_t>(n)) : std::string_view();
}

bool http2_client::over() const noexcept {
  return broken_ ||
         (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0);
}

bool http2_client::open() const noexcept {
  return !broken_ && nghttp2_session_check_request_allowed(session_.get()) != 0;
}

std::int32_t http2_client::request(std::span<const http2_field> fields, bool body) noexcept {
  if (!open()) return -1;
  try {
    const http2_field_list all(fields);
    const nghttp2_data_provider from{.source = {.ptr = nullptr},
                                     .read_callback = http2_client_callbacks::on_pull};
    return nghttp2_submit_request(session_.get(), nullptr, all.data(), all.size(), body ? &from : nullptr,
                                  nullptr);
  } catch (const std::bad_alloc&) {
    return -1;
  }
}

void http2_client::resume(std::int32_t stream) noexcept {
  nghttp2_session_resume_data(session_.get(), stream);
}
void http2_client::consume(std::int32_t stream, std::size_t bytes) noexcept {
  nghttp2_session_consume(session_.get(), stream, bytes);
}
void http2_client::reset(std::int32_t stream, http2_reason why) noexcept {
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream, http2_code(why));
}

}  // namespace osvm::net
