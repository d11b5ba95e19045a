// A connection being made: connect, and the hybrid handshake where the address asks for it. The owner passes
// its channel's events and the link's timer on until the link is up or has failed; from then on it uses the
// channel.
#pragma once

#include "hotswap/io/address.hpp"
#include "hotswap/io/shard.hpp"

namespace osvm::hotswap::detail {

enum class link_state : std::uint8_t {
  idle,
  retrying,     // a unix listener's backlog is full, for which no event exists: tried again on the timer
  connecting,   // TCP handshake
  handshaking,  // CONNECT was sent, OK is awaited
  up,
  failed,  // error() says why
};

class link {
 public:
  explicit link(actor& owner) noexcept : ch(owner), retry_(owner) {}
  channel ch;

  // `to` must outlive the connecting. Sets state() at once to up where nothing has to be waited for.
  void start(shard& s, const address& to) noexcept;
  void on_io(shard& s) noexcept;
  bool owns(const timer& t) const noexcept { return &t == &retry_; }
  void on_timer(shard& s) noexcept;

  link_state state() const noexcept { return state_; }
  bool up() const noexcept { return state_ == link_state::up; }
  bool failed() const noexcept { return state_ == link_state::failed; }
  // errno of the failure; EPROTO: the hybrid listener refused.
  int error() const noexcept { return error_; }

 private:
  void attempt(shard& s) noexcept;
  void connected(shard& s) noexcept;
  void handshake(shard& s) noexcept;
  void fail(shard& s, int e) noexcept;

  const address* to_ = nullptr;
  timer retry_;
  link_state state_ = link_state::idle;
  int error_ = 0;
};

}  // namespace osvm::hotswap::detail
