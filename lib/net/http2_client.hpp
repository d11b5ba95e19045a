// HTTP/2 of clients (RFC 9113), without sockets: the counterpart of http2_server. nghttp2 does the protocol;
// this keeps its types to one file.
#pragma once

#include "net/http2_connection.hpp"

#include <osvm/net/error.hpp>

#include <memory>

namespace osvm::net {

// How a stream ended.
enum class http2_end : std::uint8_t {
  in_order,
  refused,  // the server says that it has executed nothing of it (RFC 9113 8.7)
  broken,
};

// What comes from the server. Called from within http2_client::receive() and output() only; what it is given
// lives until it returns. It may call the client's other functions.
class http2_answers {
 public:
  // A field of a response, `:status` first; names are in lower case. Interim responses have heads of their
  // own.
  virtual void on_field(std::int32_t stream, std::string_view name, std::string_view value) = 0;
  virtual void on_head(std::int32_t stream) = 0;
  // Counts against the windows until consume() is told.
  virtual void on_data(std::int32_t stream, std::string_view bytes) = 0;
  // Of the fields behind the body.
  virtual void on_trailer(std::int32_t stream, std::string_view name, std::string_view value) = 0;
  // The response is whole.
  virtual void on_end(std::int32_t stream) = 0;
  // The last word about a stream.
  virtual void on_closed(std::int32_t stream, http2_end how) = 0;

  using pulled = http2_pulled;
  // Bytes of a request's body.
  virtual pulled on_pull(std::int32_t stream, std::span<char> into) = 0;

 protected:
  ~http2_answers() = default;
};

struct http2_client_options {
  std::uint32_t stream_window = 64 * 1024;        // bytes of one body that wait for us
  std::uint32_t connection_window = 1024 * 1024;  // of all bodies
  std::uint32_t max_head = 32 * 1024;             // told to the server
};

// One connection. Not thread-safe.
class http2_client final : public http2_connection {
 public:
  static result<std::unique_ptr<http2_client>> make(http2_answers& answers,
                                                    const http2_client_options& options);

  // New requests can be made here.
  bool open() const noexcept;

  // `fields` begin with the pseudo-header fields. Gives the stream's number, or a negative one: not possible
  // any more. `body`: on_pull() will give one.
  std::int32_t request(std::span<const http2_field> fields, bool body) noexcept;

 private:
  explicit http2_client(http2_answers& sink) noexcept : sink_(sink) {}
  template <class, class>
  friend struct http2_callbacks_of;

  http2_answers& sink_;
};

}  // namespace osvm::net
