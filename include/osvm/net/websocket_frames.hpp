// RFC 6455 as bytes: frames become messages and back, within limits. Sans I/O, for both ends: the client of
// this module and servers that have a loop of their own.
#pragma once

#include <osvm/net/error.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace osvm::net {

enum class websocket_role {
  client,  // masks what it sends, refuses masked frames
  server,  // the other way round
};

struct websocket_message {
  enum class kind {
    text,    // valid UTF-8
    binary,  // any bytes
    ping,    // at most 125 bytes, to be answered by a pong with the same
    pong,    // at most 125 bytes
    close,   // `code` and the reason in `data`; nothing follows it
  };
  kind type = kind::text;
  std::string data;
  std::uint16_t code = 0;  // of close; 1005 when the peer gave none
};

// Reads frames. Not thread-safe.
class websocket_reader final {
 public:
  websocket_reader(websocket_role role, std::size_t max_message) : role_(role), max_message_(max_message) {}

  // More bytes of the connection.
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole message or control frame; nothing when more bytes are needed. Fragments are joined.
  // errc::protocol or errc::too_large, after which the connection is to be closed with failure_code().
  result<std::optional<websocket_message>> next();
  std::uint16_t failure_code() const noexcept { return failure_code_; }
  // What waits in memory.
  std::size_t buffered() const noexcept { return buffer_.size() - at_ + partial_.size(); }

 private:
  struct frame;
  error fail(std::uint16_t code, const char* what);
  result<bool> read_frame(frame& out);
  result<std::optional<websocket_message>> join(frame& f);

  websocket_role role_;
  std::size_t max_message_;
  std::string buffer_, partial_;
  std::size_t at_ = 0;
  std::optional<websocket_message::kind> open_;  // of the message whose fragments are being joined
  std::uint16_t failure_code_ = 1002;
};

// Appends one frame. `mask` is the client's masking key, fresh for each frame; servers give none.
void append_websocket_frame(std::string& out, websocket_message::kind type, std::string_view data,
                            std::optional<std::uint32_t> mask);
// The payload of a close frame; the reason is cut to what fits.
std::string websocket_close_payload(std::uint16_t code, std::string_view reason);

// The handshake's keys: what a client sends and what a server answers to it.
result<std::string> make_websocket_key();
std::string websocket_accept(std::string_view key);

}  // namespace osvm::net
