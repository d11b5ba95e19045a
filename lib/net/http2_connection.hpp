// One HTTP/2 connection without sockets, whichever end it is: bytes in, bytes out, windows of bodies. nghttp2
// does the protocol. http2_server and http2_client add what only one end does.
#pragma once

#include "net/http2_words.hpp"

#include <memory>

struct nghttp2_session;

namespace osvm::net {

// Not thread-safe.
class http2_connection {
 public:
  // False: the other end broke the protocol; what output() gives is to be sent, then the connection ends.
  bool receive(std::string_view bytes) noexcept;
  // The next bytes to send, valid until the next call; empty: none.
  std::string_view output() noexcept;
  // Nothing more will come from or go to the other end.
  bool over() const noexcept;

  // on_pull() has something again.
  void resume(std::int32_t stream) noexcept;
  // So many bytes of on_data() are used up: the windows open again.
  void consume(std::int32_t stream, std::size_t bytes) noexcept;
  void reset(std::int32_t stream, http2_reason why) noexcept;

 protected:
  http2_connection() noexcept = default;
  ~http2_connection() = default;
  nghttp2_session* session() const noexcept { return session_.get(); }
  bool broken() const noexcept { return broken_; }
  void adopt(nghttp2_session* s) noexcept { session_.reset(s); }

 private:
  struct deleter {
    void operator()(nghttp2_session* s) const noexcept;
  };
  std::unique_ptr<nghttp2_session, deleter> session_;
  bool broken_ = false;
};

}  // namespace osvm::net
