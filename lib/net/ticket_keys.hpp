// Keys of session tickets: the one that seals, and the one before it, with which tickets can still be opened.
#pragma once

#include <osvm/net/error.hpp>

#include <openssl/evp.h>

#include <array>
#include <chrono>
#include <memory>
#include <mutex>

namespace osvm::net {

// Thread-safe. The functions' arguments and answers are those of OpenSSL's ticket callback.
class ticket_keys final {
 public:
  using clock = std::chrono::steady_clock;
  static constexpr std::chrono::hours lifetime{12};

  static result<std::shared_ptr<ticket_keys>> make();
  int seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) noexcept;
  int open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
           EVP_MAC_CTX* mac) noexcept;
  // New keys when those in use are too old at `now`. False: there is no randomness.
  bool renew(clock::time_point now) noexcept;
  ~ticket_keys();

 private:
  struct key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{}, mac{};
    bool fresh() noexcept;
  };
  struct releaser {
    void operator()(EVP_CIPHER* c) const noexcept { EVP_CIPHER_free(c); }
  };
  ticket_keys() = default;
  bool rotate(clock::time_point now) noexcept;
  bool set_mac(EVP_MAC_CTX* mac, key& k) const noexcept;

  std::unique_ptr<EVP_CIPHER, releaser> aes_;
  std::mutex mutex_;  // the rest
  key now_, before_;
  bool has_before_ = false;
  clock::time_point since_{};
};

}  // namespace osvm::net
