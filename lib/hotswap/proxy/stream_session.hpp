// An L4 connection: routed once, when it is accepted, and with its release until it ends.
#pragma once

#include "hotswap/io/link.hpp"
#include "hotswap/proxy/front.hpp"
#include "hotswap/proxy/tunnel.hpp"

namespace osvm::hotswap::detail {

class stream_session final : public session {
 public:
  static void start(front& f, unique_fd client);
  stream_session(front& f, unique_fd client, passage route);
  ~stream_session() override;

  void on_io(channel& which) override;
  void on_timer(timer& which) override;
  void on_deferred() override { move(); }
  bool cut(const target& t) override;

 private:
  void move();
  void connect_failed();
  void account() noexcept;
  void end(bool in_order);

  front& front_;
  passage route_;
  channel client_;
  link upstream_;
  tunnel tunnel_;
  timer timer_;
  std::uint64_t up_ = 0, down_ = 0;  // bytes counted so far
};

}  // namespace osvm::hotswap::detail
