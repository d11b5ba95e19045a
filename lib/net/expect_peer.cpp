#include "net/expect_peer.hpp"

#include <arpa/inet.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/controls.hpp"

namespace osvm::net {
namespace {

bool is_literal(const std::string& host) {
  in6_addr any{};
  return ::inet_pton(AF_INET, host.c_str(), &any) == 1 || ::inet_pton(AF_INET6, host.c_str(), &any) == 1;
}

}  // namespace

bool expect_peer(SSL* s, const std::string& host) {
  const bool literal = is_literal(host);
  // RFC 6066: no literal addresses in the server name.
  if (!literal && SSL_set_tlsext_host_name(s, host.c_str()) != 1) return false;
  SSL_set_verify(s, rules.verify_chain ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!rules.verify_name) return true;
  auto* wanted = SSL_get0_param(s);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return literal ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1
                 : X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size()) == 1;
}

}  // namespace osvm::net
