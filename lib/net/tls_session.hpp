// TLS without sockets: a session takes bytes from a transport and gives bytes to it whenever it is asked for
// something, and never waits. Used by the proxy's data path, which has a loop of its own.
#pragma once

#include "net/tls_connector.hpp"
#include "net/tls_server.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

struct ssl_st;

namespace osvm::net {

// Non-blocking. The session calls it only from within its own member functions.
class tls_transport {
 public:
  static constexpr std::ptrdiff_t again = -1, failed = -2;
  // Bytes; 0: the peer has ended; again; failed.
  virtual std::ptrdiff_t receive(std::span<char> into) noexcept = 0;
  virtual std::ptrdiff_t send(std::string_view bytes) noexcept = 0;

 protected:
  ~tls_transport() = default;
};

enum class tls_status : std::uint8_t {
  ok,
  again,   // the transport has to be ready first
  ended,   // the peer has said that it has finished
  cut,     // the connection ended without that
  failed,  // the peer broke the protocol, or cannot agree with us
};

// One connection. Not thread-safe.
class tls_session final {
 public:
  // `t` lives longer than the session.
  static result<std::unique_ptr<tls_session>> make(std::shared_ptr<const tls_server> server,
                                                   tls_transport& t);
  // Of a client. `name`: whom the server's certificate must be for, a host's name or address.
  static result<std::unique_ptr<tls_session>> make(std::shared_ptr<const tls_connector> connector,
                                                   const std::string& name, tls_transport& t);
  struct moved {
    tls_status status = tls_status::ok;
    std::size_t bytes = 0;
  };
  tls_status handshake() noexcept;
  moved read(std::span<char> into) noexcept;
  // After `again`, the next call must begin with the same bytes, wherever they lie then.
  moved write(std::string_view bytes) noexcept;
  // Tells the peer that nothing more comes, if that is possible now.
  void finish() noexcept;

  std::string_view protocol() const noexcept;  // by ALPN; empty: none was agreed on
  bool resumed() const noexcept;
  bool is_tls13() const noexcept;
  // Why a handshake has failed; empty: nothing is known.
  const std::string& trouble() const noexcept { return trouble_; }

 private:
  struct deleter {
    void operator()(ssl_st* s) const noexcept;
  };
  tls_session(std::shared_ptr<const void> rules, ssl_st* s) noexcept : rules_(std::move(rules)), ssl_(s) {}
  static result<std::unique_ptr<tls_session>> make(std::shared_ptr<const void> rules, ssl_ctx_st* from,
                                                   tls_transport& t);
  tls_status explain(int returned) noexcept;

  std::shared_ptr<const void> rules_;  // a tls_server or tls_connector
  std::unique_ptr<ssl_st, deleter> ssl_;
  bool broken_ = false;  // nothing more can be said
  std::string trouble_;
};

}  // namespace osvm::net
