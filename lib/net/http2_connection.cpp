#include "net/http2_connection.hpp"

#include "net/http2_parts.hpp"

namespace osvm::net {

void http2_connection::deleter::operator()(nghttp2_session* s) const noexcept {
  nghttp2_session_del(s);
}

bool http2_connection::receive(std::string_view bytes) noexcept {
  if (broken_) return false;
  const auto n = nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                          bytes.size());
  broken_ = n < 0 || static_cast<std::size_t>(n) != bytes.size();
  return !broken_;
}

std::string_view http2_connection::output() noexcept {
  const std::uint8_t* data = nullptr;
  const auto n = nghttp2_session_mem_send(session_.get(), &data);
  if (n < 0) broken_ = true;
  return n > 0 ? http2_view(data, static_cast<std::size_t>(n)) : std::string_view();
}

bool http2_connection::over() const noexcept {
  return broken_ ||
         (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0);
}

void http2_connection::resume(std::int32_t stream) noexcept {
  nghttp2_session_resume_data(session_.get(), stream);
}
void http2_connection::consume(std::int32_t stream, std::size_t bytes) noexcept {
  nghttp2_session_consume(session_.get(), stream, bytes);
}
void http2_connection::reset(std::int32_t stream, http2_reason why) noexcept {
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream, http2_code(why));
}

}  // namespace osvm::net
