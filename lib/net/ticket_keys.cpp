#include "net/ticket_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>

namespace osvm::net {

bool ticket_keys::key::fresh() noexcept {
  return RAND_bytes(name.data(), static_cast<int>(name.size())) == 1 &&
         RAND_priv_bytes(cipher.data(), static_cast<int>(cipher.size())) == 1 &&
         RAND_priv_bytes(mac.data(), static_cast<int>(mac.size())) == 1;
}

ticket_keys::~ticket_keys() {
  OPENSSL_cleanse(&now_, sizeof now_);
  OPENSSL_cleanse(&before_, sizeof before_);
}

result<std::shared_ptr<ticket_keys>> ticket_keys::make() {
  std::shared_ptr<ticket_keys> made(new ticket_keys());
  made->aes_.reset(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr));
  if (!made->aes_ || !made->now_.fresh()) return error(errc::tls, "no keys for session tickets");
  made->since_ = clock::now();
  return made;
}

bool ticket_keys::renew(clock::time_point now) noexcept {
  std::lock_guard lock(mutex_);
  return rotate(now);
}

bool ticket_keys::rotate(clock::time_point now) noexcept {
  if (now - since_ < lifetime) return true;
  has_before_ = now - since_ < 2 * lifetime;  // older than that it may not open anything either
  before_ = now_;
  since_ = now;
  return now_.fresh();
}

bool ticket_keys::set_mac(EVP_MAC_CTX* mac, key& k) const noexcept {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k.mac.data(), k.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int ticket_keys::seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac) noexcept {
  std::lock_guard lock(mutex_);
  if (!rotate(clock::now()) || RAND_bytes(iv, 16) != 1) return -1;
  std::copy(now_.name.begin(), now_.name.end(), name);
  if (EVP_EncryptInit_ex2(cipher, aes_.get(), now_.cipher.data(), iv, nullptr) != 1) return -1;
  return set_mac(mac, now_) ? 1 : -1;
}

// 0: unknown, so the handshake is a whole one; 2: known, but to be replaced.
int ticket_keys::open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac) noexcept {
  std::lock_guard lock(mutex_);
  if (!rotate(clock::now())) return -1;
  const auto is = [name](const key& k) { return std::equal(k.name.begin(), k.name.end(), name); };
  const bool current = is(now_);
  if (!current && !(has_before_ && is(before_))) return 0;
  auto& k = current ? now_ : before_;
  if (EVP_DecryptInit_ex2(cipher, aes_.get(), k.cipher.data(), iv, nullptr) != 1) return -1;
  if (!set_mac(mac, k)) return -1;
  return current ? 1 : 2;
}

}  // namespace osvm::net
