// TLS of servers, without sockets: a session takes bytes from a transport and gives bytes to it whenever it
// is asked for something, and never waits. Used by the proxy's data path, which has a loop of its own.
#pragma once

#include <osvm/net/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct ssl_st;

namespace osvm::net {

struct tls_server_options {
  struct identity {
    std::string chain, key;  // PEM
  };
  std::vector<identity> identities;  // the first is for clients that name nothing known
  std::vector<std::string> protocols;
  bool only_tls13 = false;
};

// Certificates, keys and rules. Immutable but for its ticket keys; thread-safe.
class tls_server final {
 public:
  // `before`: whose session tickets are to be honoured; null: nobody's.
  // Errors: errc::tls, with what is wrong with which certificate.
  static result<std::shared_ptr<tls_server>> make(const tls_server_options& options,
                                                  const tls_server* before = nullptr);
  ~tls_server();
  tls_server(const tls_server&) = delete;
  tls_server& operator=(const tls_server&) = delete;

 private:
  friend class tls_session;
  struct impl;
  explicit tls_server(std::unique_ptr<impl> i) noexcept;
  std::unique_ptr<impl> impl_;
};

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

 private:
  struct deleter {
    void operator()(ssl_st* s) const noexcept;
  };
  tls_session(std::shared_ptr<const tls_server> server, ssl_st* s) noexcept
      : server_(std::move(server)), ssl_(s) {}
  tls_status explain(int returned) noexcept;

  std::shared_ptr<const tls_server> server_;
  std::unique_ptr<ssl_st, deleter> ssl_;
  bool broken_ = false;  // nothing more can be said
};

}  // namespace osvm::net
