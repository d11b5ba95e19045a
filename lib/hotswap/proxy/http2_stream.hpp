// One request of an HTTP/2 connection as an HTTP/1.1 connection: what the client asks becomes bytes that a
// session reads, what the session writes becomes a response. So routing, limits, retries, drains and logs are
// those of HTTP/1.1, and the request passes the same strict parser.
#pragma once

#include "hotswap/http1/body.hpp"
#include "hotswap/http1/from_http2.hpp"
#include "hotswap/http1/head.hpp"
#include "hotswap/io/shard.hpp"
#include "net/http2_server.hpp"

#include <memory>
#include <string>

namespace osvm::hotswap::detail {

class http2_session;
class http_session;

// Shared by its connection and by the layer of the session that serves it; whoever goes first leaves.
class http2_stream {
 public:
  http2_stream(http2_session& of, std::int32_t id) noexcept : of_(&of), id_(id) {}

  // --- what the client sends ---
  http1::http2_head& request() noexcept { return request_; }
  void begin(bool ended);
  void add_body(std::string_view bytes);
  void end();
  // The connection knows nothing of it any more.
  void gone(bool in_order) noexcept;

  // --- what the session does ---
  io_outcome read(std::span<char> into) noexcept;
  io_outcome write(channel& ch, std::span<iovec> from) noexcept;
  void finish() noexcept;
  void session_left(bool in_order) noexcept;

  net::http2_events::pulled pull(std::span<char> into) noexcept;

  std::int32_t id() const noexcept { return id_; }
  http_session* user = nullptr;  // null: none yet, or it has left
  channel* at = nullptr;         // of the user

 private:
  enum class part : std::uint8_t { head, body, done };
  bool take_response(std::span<char> bytes);
  bool take_head(std::string_view text);
  bool pass_head(const http1::response_head& r);
  bool take_body(std::span<char> bytes);
  std::size_t waiting() const noexcept { return out_.size() - out_at_; }

  http2_session* of_;  // null: gone
  std::int32_t id_;
  bool ended_ = false;       // the client has sent everything
  bool chunked_ = false;     // what the session reads is
  bool in_order_ = false;    // of how it went
  bool to_head_ = false;     // the request is HEAD
  bool end_pulled_ = false;  // the end of the response is on its way
  part part_ = part::head;   // of the response
  http1::http2_head request_;
  std::string in_;
  std::size_t in_at_ = 0, owed_ = 0;  // owed_: bytes of in_ that count against the windows
  std::string head_, out_;
  std::size_t out_at_ = 0;
  http1::head_scanner scan_;
  http1::body_reader body_;
};

class http2_layer final : public layer {
 public:
  explicit http2_layer(std::shared_ptr<http2_stream> s) noexcept : stream_(std::move(s)) {}
  ~http2_layer() override { stream_->session_left(!reset_); }
  io_outcome read(shard&, channel&, std::span<char> into) noexcept override { return stream_->read(into); }
  io_outcome write(shard&, channel& ch, std::span<iovec> from) noexcept override {
    return stream_->write(ch, from);
  }
  void finish(shard&, channel&) noexcept override { stream_->finish(); }
  void reset() noexcept override { reset_ = true; }
  void attach(channel& ch) noexcept override { stream_->at = &ch; }

 private:
  std::shared_ptr<http2_stream> stream_;
  bool reset_ = false;
};

}  // namespace osvm::hotswap::detail
