#include "images/digest.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <new>

namespace osvm::images {
namespace {

template <auto Free>
struct freed {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freed<EVP_PKEY_free>>;
using context_ptr = std::unique_ptr<EVP_MD_CTX, freed<EVP_MD_CTX_free>>;
using bio_ptr = std::unique_ptr<BIO, freed<BIO_free_all>>;

const unsigned char* data_of(bytes_view b) {
  return reinterpret_cast<const unsigned char*>(b.data());
}
const unsigned char* data_of(const std::string& s) {
  return reinterpret_cast<const unsigned char*>(s.data());
}

// 1: Ed25519, 2: P-256, 0: neither.
std::uint32_t algorithm_of(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return 1;
  char group[32] = {};
  if (EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) == 1 &&
      std::string_view(group) == "prime256v1") {
    return 2;
  }
  return 0;
}
const EVP_MD* hash_of(std::uint32_t algorithm) {
  return algorithm == 2 ? EVP_sha256() : nullptr;
}

// No passphrase is ever asked for.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

key_ptr read_pem(std::string_view pem, bool wants_private) {
  const bio_ptr in(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<std::size_t>(pem.size(), 1 << 16))));
  if (!in) return nullptr;
  if (!wants_private) {
    if (key_ptr key(PEM_read_bio_PUBKEY(in.get(), nullptr, no_passphrase, nullptr)); key) return key;
    (void)BIO_reset(in.get());
  }
  return key_ptr(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
}

std::string der_of(const EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  std::string out = size > 0 ? std::string(reinterpret_cast<char*>(der), static_cast<std::size_t>(size)) : "";
  OPENSSL_free(der);
  return out;
}

}  // namespace

struct hasher::state {
  context_ptr context{EVP_MD_CTX_new()};
};

hasher::hasher() : state_(std::make_unique<state>()) {
  if (!state_->context || EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
}
hasher::~hasher() = default;

void hasher::add(bytes_view bytes) {
  if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) throw std::bad_alloc();
}

digest hasher::finish() {
  digest out{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(state_->context.get(), out.data(), &size) != 1 ||
      EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  return out;
}

digest sha256_of(bytes_view bytes) {
  hasher h;
  h.add(bytes);
  return h.finish();
}

result<signed_bytes> sign(std::string_view pem, bytes_view message) {
  const key_ptr key = read_pem(pem, true);
  if (!key) return error(errc::bad_key, "no private key in PEM form without a passphrase");
  signed_bytes out;
  out.algorithm = algorithm_of(key.get());
  if (out.algorithm == 0) return error(errc::bad_key, "the private key is neither Ed25519 nor P-256");
  out.public_key = der_of(key.get());
  const context_ptr ctx(EVP_MD_CTX_new());
  std::size_t size = 0;
  if (!ctx || EVP_DigestSignInit(ctx.get(), nullptr, hash_of(out.algorithm), nullptr, key.get()) != 1 ||
      EVP_DigestSign(ctx.get(), nullptr, &size, data_of(message), message.size()) != 1) {
    return error(errc::bad_key, "the key cannot sign");
  }
  out.signature.resize(size);
  if (EVP_DigestSign(ctx.get(), reinterpret_cast<unsigned char*>(out.signature.data()), &size,
                     data_of(message), message.size()) != 1)
    return error(errc::bad_key, "signing failed");
  out.signature.resize(size);
  return out;
}

result<std::string> public_key_der(std::string_view pem) {
  const key_ptr key = read_pem(pem, false);
  if (!key || algorithm_of(key.get()) == 0)
    return error(errc::bad_key, "expected a PEM key, Ed25519 or P-256");
  return der_of(key.get());
}

result<void> check_signature(const signed_bytes& s, bytes_view message) {
  const unsigned char* der = data_of(s.public_key);
  const key_ptr key(d2i_PUBKEY(nullptr, &der, static_cast<long>(s.public_key.size())));
  if (!key || der != data_of(s.public_key) + s.public_key.size() || algorithm_of(key.get()) != s.algorithm)
    return error(errc::bad_signature, "the key in the signature");
  const context_ptr ctx(EVP_MD_CTX_new());
  if (!ctx || EVP_DigestVerifyInit(ctx.get(), nullptr, hash_of(s.algorithm), nullptr, key.get()) != 1 ||
      EVP_DigestVerify(ctx.get(), data_of(s.signature), s.signature.size(), data_of(message),
                       message.size()) != 1) {
    return error(errc::bad_signature);
  }
  return {};
}

}  // namespace osvm::images
