// SHA-256 and signatures: the only file that OpenSSL's types reach.
#pragma once

#include <osvm/images/image_file.hpp>

#include <memory>

namespace osvm::images {

class hasher final {
 public:
  hasher();
  ~hasher();
  hasher(const hasher&) = delete;
  hasher& operator=(const hasher&) = delete;
  void add(bytes_view bytes);
  digest finish();  // and begins anew

 private:
  struct state;
  std::unique_ptr<state> state_;
};
digest sha256_of(bytes_view bytes);

struct signed_bytes {
  std::uint32_t algorithm = 0;
  std::string public_key;  // DER
  std::string signature;
};
// Signs `message` with a PEM private key. errc::bad_key.
result<signed_bytes> sign(std::string_view pem, bytes_view message);
// The DER form of a PEM public key (a private one is taken for its public half).
result<std::string> public_key_der(std::string_view pem);
result<void> check_signature(const signed_bytes& s, bytes_view message);

}  // namespace osvm::images
