#include <osvm/net/throwaway_identity.hpp>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/openssl.hpp"

namespace osvm::net {
namespace {

error no_identity(const char* what) {
  ERR_clear_error();
  return {errc::tls, std::string("making a certificate: ") + what};
}

std::string text_in(BIO* b) {
  char* data = nullptr;
  const long n = BIO_get_mem_data(b, &data);
  return {data, static_cast<std::size_t>(n)};
}

bool add_name(X509* x, const std::string& name) {
  X509V3_CTX c;
  X509V3_set_ctx_nodb(&c);
  X509V3_set_ctx(&c, x, x, nullptr, nullptr, 0);
  for (const auto& [id, value] : {std::pair(NID_subject_alt_name, "DNS:" + name),
                                  std::pair(NID_basic_constraints, std::string("critical,CA:TRUE"))}) {
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &c, id, value.c_str());
    const bool added = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    if (!added) return false;
  }
  return true;
}

}  // namespace

result<throwaway_identity> make_throwaway_identity(const std::string& name) {
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    if (!plain) return error(osvm::errc::invalid_argument, "a host's name in lower case");
  }
  const key_ptr key(EVP_EC_gen("P-256"));
  const x509_ptr x(X509_new());
  if (!key || !x) return no_identity("the key");
  constexpr long an_hour = 3600;
  auto* subject = X509_get_subject_name(x.get());
  const bool made =
      X509_set_version(x.get(), 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x.get()), 1) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(x.get()), -an_hour) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(x.get()), an_hour) != nullptr &&
      X509_set_pubkey(x.get(), key.get()) == 1 &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>("throwaway"), -1, -1, 0) == 1 &&
      X509_set_issuer_name(x.get(), subject) == 1 && add_name(x.get(), name) &&
      X509_sign(x.get(), key.get(), EVP_sha256()) != 0;
  if (!made) return no_identity("the certificate");
  const bio_ptr certificate(BIO_new(BIO_s_mem())), secret(BIO_new(BIO_s_mem()));
  if (!certificate || !secret || PEM_write_bio_X509(certificate.get(), x.get()) != 1 ||
      PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return no_identity("its text");
  return throwaway_identity{text_in(certificate.get()), text_in(secret.get())};
}

}  // namespace osvm::net
