// What a TLS server is: certificates, protocols, session tickets.
#pragma once

#include <osvm/net/error.hpp>

#include <memory>
#include <string>
#include <vector>

struct ssl_ctx_st;

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
  ssl_ctx_st* first() const noexcept;  // what a handshake begins with
  std::unique_ptr<impl> impl_;
};

}  // namespace osvm::net
