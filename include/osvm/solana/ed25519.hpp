// Ed25519 signatures (RFC 8032) by OpenSSL, and key pairs that are wiped when they go.
#pragma once

#include <osvm/solana/keys.hpp>

namespace osvm::solana {

// True when `s` is `key`'s signature of `message`.
[[nodiscard]] bool verify(const signature& s, const pubkey& key, bytes_view message);

// A signing key. Move-only; its secret is overwritten when it is destroyed or moved from. Thread-safe to use.
class keypair final {
 public:
  static result<keypair> generate();
  // The 32 bytes that RFC 8032 calls the private key.
  static result<keypair> from_seed(bytes_view seed);
  // 64 bytes: the seed and its public key, which must match (errc::malformed).
  static result<keypair> from_bytes(bytes_view bytes);
  // A file as `solana-keygen` writes it: a JSON array of 64 numbers. Refused (errc::denied) when group or
  // others may read it.
  static result<keypair> load(const std::string& path);

  keypair(keypair&& other) noexcept;
  keypair& operator=(keypair&& other) noexcept;
  ~keypair();

  const pubkey& address() const noexcept { return address_; }
  result<signature> sign(bytes_view message) const;

 private:
  keypair() = default;
  std::array<std::uint8_t, 32> seed_{};
  pubkey address_;
};

}  // namespace osvm::solana
