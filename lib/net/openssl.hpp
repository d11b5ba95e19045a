// OpenSSL's objects as resources. Only for .cpp files of this module.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

namespace osvm::net {

template <auto Free>
struct releaser {
  void operator()(auto* p) const noexcept { Free(p); }
};
using bio_ptr = std::unique_ptr<BIO, releaser<BIO_free>>;
using x509_ptr = std::unique_ptr<X509, releaser<X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, releaser<EVP_PKEY_free>>;
using ctx_ptr = std::unique_ptr<SSL_CTX, releaser<SSL_CTX_free>>;

}  // namespace osvm::net
