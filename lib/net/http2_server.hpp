// HTTP/2 of servers (RFC 9113), without sockets: bytes in, requests out; responses in, bytes out. nghttp2
// does the protocol; this keeps its types to one file. Used by the proxy's data path.
#pragma once

#include "net/http2_connection.hpp"

#include <osvm/net/error.hpp>

#include <memory>

namespace osvm::net {

// What comes from the client. Called from within http2_server::receive() and output() only; what it is given
// lives until it returns. It may call the server's other functions.
class http2_events {
 public:
  // A field of a request, pseudo-header fields first. Names are in lower case.
  virtual void on_field(std::int32_t stream, std::string_view name, std::string_view value) = 0;
  virtual void on_head(std::int32_t stream, bool ended) = 0;
  // Counts against the windows until consume() is told.
  virtual void on_data(std::int32_t stream, std::string_view bytes) = 0;
  virtual void on_end(std::int32_t stream) = 0;
  // The last word about a stream. In order: nobody has reset it.
  virtual void on_closed(std::int32_t stream, bool in_order) = 0;

  using pulled = http2_pulled;
  // Bytes of a response's body.
  virtual pulled on_pull(std::int32_t stream, std::span<char> into) = 0;

 protected:
  ~http2_events() = default;
};

struct http2_server_options {
  std::uint32_t max_streams = 100;                // requests at a time
  std::uint32_t stream_window = 64 * 1024;        // bytes of one body that wait for us
  std::uint32_t connection_window = 1024 * 1024;  // of all bodies
  std::uint32_t max_head = 32 * 1024;  // told to the client; who goes over it is not trusted to heed it
};

// One connection. Not thread-safe. The bytes begin with the client's preface.
class http2_server final : public http2_connection {
 public:
  static result<std::unique_ptr<http2_server>> make(http2_events& events,
                                                    const http2_server_options& options);

  // False: not possible any more. `body`: on_pull() will give one.
  bool respond(std::int32_t stream, unsigned status, std::span<const http2_field> fields, bool body) noexcept;
  // A 1xx.
  bool inform(std::int32_t stream, unsigned status, std::span<const http2_field> fields) noexcept;
  // Asks the client to leave: streams that are open end, new ones go elsewhere.
  void leave() noexcept;

 private:
  explicit http2_server(http2_events& sink) noexcept : sink_(sink) {}
  template <class, class>
  friend struct http2_callbacks_of;

  http2_events& sink_;
};

}  // namespace osvm::net
