#include "net/tls_server.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <map>

#include "net/openssl.hpp"
#include "net/ticket_keys.hpp"

namespace osvm::net {
namespace {

using names_ptr = std::unique_ptr<GENERAL_NAMES, releaser<GENERAL_NAMES_free>>;

constexpr std::size_t most_certificates = 256, longest_chain = 16;

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

// A TLS 1.3 client uses a ticket once, and looks for another one in the session that the first has resumed:
// without it, only every second connection would be resumed.
int tls_server::impl::ticket(SSL* s, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                             EVP_MAC_CTX* mac, int encrypt) {
  const auto* me = static_cast<const impl*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(s)));
  if (encrypt) return me->tickets->seal(name, iv, cipher, mac);
  constexpr int known = 1, known_and_replace = 2;
  const int found = me->tickets->open(name, iv, cipher, mac);
  return found == known && SSL_version(s) == TLS1_3_VERSION ? known_and_replace : found;
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

ssl_ctx_st* tls_server::first() const noexcept {
  return impl_->contexts.front().get();
}

}  // namespace osvm::net
