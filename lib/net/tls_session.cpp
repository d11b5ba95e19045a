#include "net/tls_session.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "net/openssl.hpp"

namespace osvm::net {
namespace {

// --- the transport as OpenSSL sees it ---

int read_bytes(BIO* b, char* into, int size) {
  BIO_clear_retry_flags(b);
  auto& t = *static_cast<tls_transport*>(BIO_get_data(b));
  const auto n = t.receive({into, static_cast<std::size_t>(size)});
  if (n == tls_transport::again) BIO_set_retry_read(b);
  return n < 0 ? -1 : static_cast<int>(n);
}

int write_bytes(BIO* b, const char* from, int size) {
  BIO_clear_retry_flags(b);
  auto& t = *static_cast<tls_transport*>(BIO_get_data(b));
  const auto n = t.send({from, static_cast<std::size_t>(size)});
  if (n == tls_transport::again) BIO_set_retry_write(b);
  return n < 0 ? -1 : static_cast<int>(n);
}

long control(BIO*, int what, long, void*) {
  return what == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* transport_method() {
  static const auto made = [] {
    std::unique_ptr<BIO_METHOD, releaser<BIO_meth_free>> m(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "osvm transport"));
    BIO_meth_set_read(m.get(), read_bytes);
    BIO_meth_set_write(m.get(), write_bytes);
    BIO_meth_set_ctrl(m.get(), control);
    return m;
  }();
  return made.get();
}

}  // namespace

// --- sessions ---

void tls_session::deleter::operator()(ssl_st* s) const noexcept {
  SSL_free(s);
}

result<std::unique_ptr<tls_session>> tls_session::make(std::shared_ptr<const void> rules, ssl_ctx_st* from,
                                                       tls_transport& t) {
  std::unique_ptr<ssl_st, deleter> s(SSL_new(from));
  bio_ptr b(BIO_new(transport_method()));
  if (!s || !b) {
    ERR_clear_error();
    return error(errc::tls, "out of memory");
  }
  BIO_set_data(b.get(), &t);
  BIO_set_init(b.get(), 1);
  SSL_set_bio(s.get(), b.get(), b.get());
  (void)b.release();
  return std::unique_ptr<tls_session>(new tls_session(std::move(rules), s.release()));
}

result<std::unique_ptr<tls_session>> tls_session::make(std::shared_ptr<const tls_server> server,
                                                       tls_transport& t) {
  auto* from = server->first();
  OSVM_TRY(auto made, make(std::shared_ptr<const void>(std::move(server)), from, t));
  SSL_set_accept_state(made->ssl_.get());
  return made;
}

result<std::unique_ptr<tls_session>> tls_session::make(std::shared_ptr<const tls_connector> connector,
                                                       const std::string& name, tls_transport& t) {
  const auto& c = *connector;
  OSVM_TRY(auto made, make(std::shared_ptr<const void>(connector), c.context(), t));
  OSVM_CHECK(c.expect(made->ssl_.get(), name));
  SSL_set_connect_state(made->ssl_.get());
  return made;
}

tls_status tls_session::explain(int returned) noexcept {
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return tls_status::again;
    case SSL_ERROR_ZERO_RETURN: return tls_status::ended;
    case SSL_ERROR_SYSCALL: broken_ = true; return tls_status::cut;
    default: break;
  }
  broken_ = true;
  const auto code = ERR_peek_error();
  ERR_clear_error();
  if (const auto why = SSL_get_verify_result(ssl_.get()); why != X509_V_OK) {
    trouble_ = X509_verify_cert_error_string(why);
  } else if (const char* reason = ERR_reason_error_string(code)) {
    trouble_ = reason;
  }
  const bool unexpected =
      ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  return unexpected ? tls_status::cut : tls_status::failed;
}

tls_status tls_session::handshake() noexcept {
  if (broken_) return tls_status::failed;
  ERR_clear_error();
  const int r = SSL_do_handshake(ssl_.get());
  return r == 1 ? tls_status::ok : explain(r);
}

tls_session::moved tls_session::read(std::span<char> into) noexcept {
  if (broken_) return {tls_status::cut, 0};
  ERR_clear_error();
  std::size_t n = 0;
  const int r = SSL_read_ex(ssl_.get(), into.data(), into.size(), &n);
  return r == 1 ? moved{tls_status::ok, n} : moved{explain(r), 0};
}

tls_session::moved tls_session::write(std::string_view bytes) noexcept {
  if (broken_) return {tls_status::cut, 0};
  ERR_clear_error();
  std::size_t n = 0;
  const int r = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
  return r == 1 ? moved{tls_status::ok, n} : moved{explain(r), 0};
}

void tls_session::finish() noexcept {
  if (broken_ || !SSL_is_init_finished(ssl_.get())) return;
  ERR_clear_error();
  if (SSL_shutdown(ssl_.get()) < 0) ERR_clear_error();
}

std::string_view tls_session::protocol() const noexcept {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

bool tls_session::resumed() const noexcept {
  return SSL_session_reused(ssl_.get()) == 1;
}
bool tls_session::is_tls13() const noexcept {
  return SSL_version(ssl_.get()) == TLS1_3_VERSION;
}

}  // namespace osvm::net
