#include "net/tls_server.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <map>

#include "net/ticket_keys.hpp"

namespace osvm::net {
namespace {

template <auto Free>
struct releaser {
  void operator()(auto* p) const noexcept { Free(p); }
};
using bio_ptr = std::unique_ptr<BIO, releaser<BIO_free>>;
using x509_ptr = std::unique_ptr<X509, releaser<X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, releaser<EVP_PKEY_free>>;
using ctx_ptr = std::unique_ptr<SSL_CTX, releaser<SSL_CTX_free>>;
using names_ptr = std::unique_ptr<GENERAL_NAMES, releaser<GENERAL_NAMES_free>>;

constexpr std::size_t most_certificates = 256, longest_chain = 16;

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

// --- certificates ---

error wrong(std::size_t index, const std::string& what) {
  const auto code = ERR_peek_last_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return {errc::tls, "certificate " + std::to_string(index + 1) + ": " + what +
                         (reason ? " (" + std::string(reason) + ")" : std::string())};
}

// Nobody is asked for a pass phrase.
int no_phrase(char*, int, int, void*) {
  return -1;
}

bio_ptr reader(const std::string& text) {
  return bio_ptr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> out;
  const names_ptr all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const auto* one = sk_GENERAL_NAME_value(all.get(), i);
    if (one->type != GEN_DNS) continue;
    const auto* text = one->d.dNSName;
    std::string name(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<std::size_t>(ASN1_STRING_length(text)));
    if (name.find('\0') != std::string::npos) continue;  // what it is for would depend on the reader
    for (auto& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    out.push_back(std::move(name));
  }
  return out;
}

result<> load_chain(SSL_CTX* ctx, const std::string& pem, std::size_t index,
                    std::vector<std::string>& names) {
  const auto in = reader(pem);
  const x509_ptr leaf(PEM_read_bio_X509_AUX(in.get(), nullptr, no_phrase, nullptr));
  if (!leaf) return wrong(index, "no certificate in PEM");
  if (SSL_CTX_use_certificate(ctx, leaf.get()) != 1) return wrong(index, "it cannot be used");
  names = names_of(leaf.get());
  for (std::size_t n = 0;; ++n) {
    x509_ptr next(PEM_read_bio_X509(in.get(), nullptr, no_phrase, nullptr));
    if (!next) break;
    if (n == longest_chain) return wrong(index, "more than 16 certificates lead to its authority");
    if (SSL_CTX_add0_chain_cert(ctx, next.get()) != 1) return wrong(index, "its chain cannot be used");
    (void)next.release();  // the context's now
  }
  const auto last = ERR_peek_last_error();  // what ends the reading must be the end of the text
  if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
    return wrong(index, "its chain is damaged");
  ERR_clear_error();
  return {};
}

result<> load_key(SSL_CTX* ctx, const std::string& pem, std::size_t index) {
  const auto in = reader(pem);
  const key_ptr key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_phrase, nullptr));
  if (!key) return wrong(index, "no unencrypted private key in PEM");
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1)
    return wrong(index, "the key is not the certificate's");
  return {};
}

}  // namespace

struct tls_server::impl {
  std::vector<ctx_ptr> contexts;
  std::map<std::string, SSL_CTX*, std::less<>> by_name;
  std::vector<std::string> protocols;
  std::shared_ptr<ticket_keys> tickets;

  SSL_CTX* find(std::string_view name) const;
  result<> add(const tls_server_options& o, std::size_t index);
  static int choose_certificate(SSL* s, int* alert, void* self);
  static int choose_protocol(SSL* s, const unsigned char** out, unsigned char* size, const unsigned char* in,
                             unsigned in_size, void* self);
  static int ticket(SSL* s, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                    int encrypt);
};

SSL_CTX* tls_server::impl::find(std::string_view name) const {
  std::string lower(name);
  for (auto& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (lower.ends_with('.')) lower.pop_back();
  if (const auto it = by_name.find(lower); it != by_name.end()) return it->second;
  const auto dot = lower.find('.');
  if (dot == std::string::npos) return nullptr;
  const auto it = by_name.find("*" + lower.substr(dot));
  return it == by_name.end() ? nullptr : it->second;
}

int tls_server::impl::choose_certificate(SSL* s, int*, void* self) {
  const auto& me = *static_cast<const impl*>(self);
  const char* name = SSL_get_servername(s, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_NOACK;
  auto* found = me.find(name);
  if (!found) return SSL_TLSEXT_ERR_NOACK;
  if (found != SSL_get_SSL_CTX(s)) SSL_set_SSL_CTX(s, found);
  return SSL_TLSEXT_ERR_OK;
}

// Ours is the order. No common protocol ends the handshake: else a client of one protocol could be made to
// talk to a server of another.
int tls_server::impl::choose_protocol(SSL*, const unsigned char** out, unsigned char* size,
                                      const unsigned char* in, unsigned in_size, void* self) {
  for (const auto& wanted : static_cast<const impl*>(self)->protocols) {
    for (unsigned at = 0; at < in_size; at += 1U + in[at]) {
      const std::string_view offered(reinterpret_cast<const char*>(in + at + 1), in[at]);
      if (offered != wanted) continue;
      *out = in + at + 1;
      *size = in[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int tls_server::impl::ticket(SSL* s, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                             EVP_MAC_CTX* mac, int encrypt) {
  const auto* me = static_cast<const impl*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(s)));
  return encrypt ? me->tickets->seal(name, iv, cipher, mac) : me->tickets->open(name, iv, cipher, mac);
}

result<> tls_server::impl::add(const tls_server_options& o, std::size_t index) {
  ctx_ptr made(SSL_CTX_new(TLS_server_method()));
  if (!made) return wrong(index, "out of memory");
  auto* c = made.get();
  SSL_CTX_set_min_proto_version(c, o.only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(
      c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(c, 1);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  static constexpr unsigned char context_name[] = "osvm";
  SSL_CTX_set_session_id_context(c, context_name, sizeof context_name - 1);
  if (SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) return wrong(index, "no usable cipher");
  SSL_CTX_set_app_data(c, this);
  SSL_CTX_set_tlsext_servername_callback(c, choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(c, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(c, ticket);
  if (!protocols.empty()) SSL_CTX_set_alpn_select_cb(c, choose_protocol, this);
  std::vector<std::string> names;
  OSVM_CHECK(load_chain(c, o.identities[index].chain, index, names));
  OSVM_CHECK(load_key(c, o.identities[index].key, index));
  for (auto& n : names) by_name.emplace(std::move(n), c);  // the first that is for a name has it
  contexts.push_back(std::move(made));
  return {};
}

tls_server::tls_server(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
tls_server::~tls_server() = default;

result<std::shared_ptr<tls_server>> tls_server::make(const tls_server_options& o, const tls_server* before) {
  if (o.identities.empty()) return error(errc::tls, "TLS needs a certificate");
  if (o.identities.size() > most_certificates) return error(errc::tls, "more than 256 certificates");
  for (const auto& p : o.protocols) {
    if (p.empty() || p.size() > 255) return error(errc::tls, "a protocol's name has 1 to 255 bytes");
  }
  auto i = std::make_unique<impl>();
  i->protocols = o.protocols;
  if (before) {
    i->tickets = before->impl_->tickets;
  } else {
    OSVM_TRY(i->tickets, ticket_keys::make());
  }
  for (std::size_t n = 0; n < o.identities.size(); ++n) OSVM_CHECK(i->add(o, n));
  return std::shared_ptr<tls_server>(new tls_server(std::move(i)));
}

// --- sessions ---

void tls_session::deleter::operator()(ssl_st* s) const noexcept {
  SSL_free(s);
}

result<std::unique_ptr<tls_session>> tls_session::make(std::shared_ptr<const tls_server> server,
                                                       tls_transport& t) {
  std::unique_ptr<ssl_st, deleter> s(SSL_new(server->impl_->contexts.front().get()));
  bio_ptr b(BIO_new(transport_method()));
  if (!s || !b) {
    ERR_clear_error();
    return error(errc::tls, "out of memory");
  }
  BIO_set_data(b.get(), &t);
  BIO_set_init(b.get(), 1);
  SSL_set_bio(s.get(), b.get(), b.get());
  (void)b.release();
  SSL_set_accept_state(s.get());
  return std::unique_ptr<tls_session>(new tls_session(std::move(server), s.release()));
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
