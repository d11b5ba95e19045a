// An L4 connection: routed once, when it is accepted, and with its release until it ends.
#pragma once

#include "hotswap/io/link.hpp"
#include "hotswap/proxy/front.hpp"
#include "hotswap/proxy/session_extra.hpp"
#include "hotswap/proxy/tunnel.hpp"

#include <memory>

namespace osvm::hotswap::detail {

class stream_session final : public session {
 public:
  static void start(front& f, unique_fd client, const client_address& from);
  static void take_over(front& f, channel& from, std::unique_ptr<session_extra> extra);
  stream_session(front& f, unique_fd client, const client_address& from);
  ~stream_session() override;

  void on_io(channel& which) override;
  void on_timer(timer& which) override;
  void on_deferred() override { move(); }
  bool cut(const target& t) override;

 private:
  void read_preamble();
  void begin();
  bool admit();
  void connect();
  void connected();
  void connecting();
  void move();
  void connect_failed();
  void account() noexcept;
  void end(bool in_order);
  void refuse(counter& why);
  void log(std::string_view how);

  front& front_;
  passage route_;
  channel client_;
  link upstream_;
  tunnel tunnel_;
  timer timer_;
  std::uint64_t up_ = 0, down_ = 0;  // bytes counted so far
  pool* pool_;
  std::unique_ptr<session_extra> extra_;  // null where the proxy is plain
  time_point begun_;
  std::uint8_t attempts_ = 0;
  bool preamble_ = false;  // the PROXY header is awaited
};

}  // namespace osvm::hotswap::detail
