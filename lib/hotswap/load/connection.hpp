// One HTTP/1.1 connection of the load client, with at most one request under way.
#pragma once

#include "hotswap/http1/body.hpp"
#include "hotswap/http1/head.hpp"
#include "hotswap/io/link.hpp"
#include "hotswap/io/outlet.hpp"
#include "hotswap/io/tls_layer.hpp"
#include "hotswap/load/lane.hpp"

#include <osvm/net/websocket_frames.hpp>

#include <memory>
#include <optional>

namespace osvm::hotswap::detail {

class load_connection final : public actor, public load_lane {
 public:
  load_connection(shard& s, load_run& run);
  void send(time_point due) override;

  void on_io(channel&) override { step(); }
  void on_timer(timer& which) override;
  void on_deferred() override { step(); }

 private:
  enum class phase : std::uint8_t {
    closed,
    idle,
    connecting,
    greeting,  // TLS handshake
    sending,
    head,
    body,
    talking,  // WebSocket
    closing,  // WebSocket: the close frame is out
  };
  bool busy() const noexcept { return phase_ != phase::closed && phase_ != phase::idle; }
  void step();
  void connecting();
  void greeting();
  void connected();
  std::string request_head();
  void send_more();
  void receive();
  bool take(std::span<char> bytes);
  bool take_head(std::span<char>& bytes);
  bool take_body(std::span<char> bytes);
  bool upgraded(std::span<char> rest);
  bool take_messages(std::string_view bytes);
  bool say(net::websocket_message::kind type, std::string_view data);
  void ended();
  void judge();
  void fail(load_class k, std::string text);
  void close();

  link link_;
  timer timeout_;
  outlet out_;
  tls_layer* tls_ = nullptr;  // the channel's
  phase phase_ = phase::closed;
  std::int64_t last_ = 0;  // place in the history of the release that answered last on this connection
  std::string buffer_, key_;
  http1::head_scanner scan_;
  http1::body_reader body_;
  bool close_ = false;
  std::optional<net::websocket_reader> messages_;
};

}  // namespace osvm::hotswap::detail
