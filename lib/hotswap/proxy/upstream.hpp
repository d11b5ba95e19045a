// A connection to a release, used by one session at a time and kept alive between them (L7).
#pragma once

#include "hotswap/io/link.hpp"
#include "hotswap/proxy/front.hpp"

namespace osvm::hotswap::detail {

class http_session;

class upstream final : public actor {
 public:
  // Begins to connect for `user`. Always returns a connection; look at link().
  static upstream& open(front& f, std::shared_ptr<target> where, backend& at, http_session& user);
  upstream(front& f, std::shared_ptr<target> where, backend& at);

  void on_io(channel& which) override;
  void on_timer(timer& which) override;

  class link& link() noexcept {
    return link_;
  }
  channel& ch() noexcept { return link_.ch; }
  const std::shared_ptr<target>& where() const noexcept { return where_; }
  backend& at() const noexcept { return at_; }
  bool reused() const noexcept { return reused_; }
  // Certainly still open as far as this host knows.
  bool alive() noexcept;
  void use(http_session& user) noexcept;
  // Back into the pool.
  void release();
  // Gone for good, without a word to the user.
  void drop(bool by_reset = false) noexcept;

 private:
  front& front_;
  std::shared_ptr<target> where_;
  backend& at_;  // of where_
  http_session* user_ = nullptr;
  class link link_;
  timer idle_;
  bool reused_ = false;
};

}  // namespace osvm::hotswap::detail
