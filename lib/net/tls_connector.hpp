// What a TLS client trusts, without sockets: sessions are tls_session's.
#pragma once

#include <osvm/net/error.hpp>

#include <memory>
#include <string>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace osvm::net {

struct tls_connector_options {
  std::string authorities{};             // PEM; empty: the host's certificate store
  std::vector<std::string> protocols{};  // ALPN, best first; empty: no word about protocols
};

// TLS 1.2 and 1.3. Immutable; thread-safe.
class tls_connector final {
 public:
  // Errors: errc::tls, with what is wrong.
  static result<std::shared_ptr<tls_connector>> make(const tls_connector_options& options);
  ~tls_connector();
  tls_connector(const tls_connector&) = delete;
  tls_connector& operator=(const tls_connector&) = delete;

 private:
  friend class tls_session;
  explicit tls_connector(ssl_ctx_st* context) noexcept : context_(context) {}
  ssl_ctx_st* context() const noexcept { return context_; }
  // Whom the handshake must meet.
  result<> expect(ssl_st* session, const std::string& name) const;
  ssl_ctx_st* context_;
};

}  // namespace osvm::net
