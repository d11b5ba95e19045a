#include "net/tls_connector.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "net/expect_peer.hpp"
#include "net/openssl.hpp"

namespace osvm::net {
namespace {

constexpr std::size_t most_authorities = 1024;

error untrusting(const std::string& what) {
  ERR_clear_error();
  return {errc::tls, what};
}

result<> load_authorities(SSL_CTX* c, const std::string& pem) {
  if (pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(c) != 1) return untrusting("the host's certificate store");
    return {};
  }
  const bio_ptr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  auto* store = SSL_CTX_get_cert_store(c);
  std::size_t n = 0;
  for (; n <= most_authorities; ++n) {
    const x509_ptr one(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    if (X509_STORE_add_cert(store, one.get()) != 1) return untrusting("an authority cannot be used");
  }
  if (n == 0) return untrusting("no certificate in the authorities' PEM");
  if (n > most_authorities) return untrusting("more than 1024 authorities");
  const auto last = ERR_peek_last_error();  // what ends the reading must be the end of the text
  if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
    return untrusting("the authorities' PEM is damaged");
  ERR_clear_error();
  return {};
}

}  // namespace

tls_connector::~tls_connector() {
  SSL_CTX_free(context_);
}

result<std::shared_ptr<tls_connector>> tls_connector::make(const tls_connector_options& o) {
  auto* c = SSL_CTX_new(TLS_client_method());
  if (!c) return untrusting("out of memory");
  std::shared_ptr<tls_connector> made(new tls_connector(c));
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(
      c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(c, 1);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  OSVM_CHECK(load_authorities(c, o.authorities));
  std::string wire;
  for (const auto& p : o.protocols) {
    if (p.empty() || p.size() > 255) return untrusting("a protocol's name has 1 to 255 bytes");
    wire += static_cast<char>(p.size());
    wire += p;
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(wire.data());
  if (!wire.empty() && SSL_CTX_set_alpn_protos(c, bytes, static_cast<unsigned>(wire.size())) != 0)
    return untrusting("the protocols' names");
  return made;
}

result<> tls_connector::expect(ssl_st* s, const std::string& name) const {
  if (name.empty() || !expect_peer(s, name)) return untrusting("the host's name is not usable");
  return {};
}

}  // namespace osvm::net
