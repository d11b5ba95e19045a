// A client connection until its TLS handshake is done; then a session takes it over.
#pragma once

#include "hotswap/io/tls_layer.hpp"
#include "hotswap/proxy/front.hpp"
#include "hotswap/proxy/session_extra.hpp"

#include <memory>

namespace osvm::hotswap::detail {

class tls_greeting final : public session {
 public:
  static void start(front& f, unique_fd client, const client_address& from);
  tls_greeting(front& f, unique_fd client, const client_address& from);
  ~tls_greeting() override;

  void on_io(channel& which) override;
  void on_timer(timer& which) override;
  bool cut(const target&) override { return false; }  // it is with no release yet

 private:
  bool read_preamble();
  void handshake();
  void greeted();
  void leave(counter& why);

  front& front_;
  channel client_;
  timer timer_;
  tls_layer* tls_ = nullptr;  // what lies over client_
  std::unique_ptr<session_extra> extra_;
  bool preamble_;  // the PROXY header is awaited
};

}  // namespace osvm::hotswap::detail
